// A decoder's model file: safetensors, of which only what is asked for is read (FORMAT.md, sections
// 2 and 8).
#pragma once

#include <array>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "../model.h"

namespace mcm::c {

class Json;

// Tensors by name, and the memory that they lie in.
struct Loaded {
  Tensors tensors;
  std::vector<std::unique_ptr<char[]>> memory;
};

class ModelFile {
 public:
  // Throws Failure: MCM_NO_FILE, or MCM_BAD_MODEL for a file that is no safetensors file.
  explicit ModelFile(const char* path);

  // The names of its renderings.
  std::set<std::string> renderings() const;
  // The entropy model's integers.
  Loaded integers();
  // A rendering's, without their prefix. Empty if there is none of that name.
  Loaded rendering(const std::string& name);

 private:
  struct Place {
    Type type;
    std::vector<int64_t> shape;
    uint64_t begin, end;  // in the file
  };

  void read_header();
  void read_place(Json& json, Place& place) const;
  std::unique_ptr<char[]> read(uint64_t begin, uint64_t end);
  void load(const std::string& key, const std::string& name, Loaded& to);

  std::ifstream file_;
  uint64_t size_ = 0, data_ = 0;  // of the file; where its tensors begin
  std::map<std::string, Place> places_;
};

// The first 8 bytes of the SHA-256 of all integers (FORMAT.md, section 2).
std::array<uint8_t, 8> identity(const Tensors& tensors);

}  // namespace mcm::c
