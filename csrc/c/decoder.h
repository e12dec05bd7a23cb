// A model's file ready for use: what mcm.h calls a decoder.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "model_file.h"
#include "sight.h"

namespace mcm::c {

// A rendering, and what it sees.
struct Drawer {
  pixels::Rendering rendering;
  Sight sight;
};

// Any number of threads may share it.
class Decoder {
 public:
  // Throws Failure.
  explicit Decoder(const char* path);

  const Model& model() const { return *model_; }
  const std::array<uint8_t, 8>& id() const { return id_; }
  // The renderings but the previews, which are chosen by their scale.
  const std::vector<std::string>& names() const { return names_; }

  // What draws at 1/scale: the rendering of this name, or the preview that all of them share. Read
  // when it is first used: it is most of the file. Throws Failure.
  const Drawer& drawer(const std::string& name, int64_t scale) const;

 private:
  std::unique_ptr<Drawer> load(const std::string& name, int64_t scale) const;

  mutable std::mutex mutex_;  // of the file and its drawers
  mutable ModelFile file_;
  mutable std::map<std::string, std::unique_ptr<Drawer>> drawers_;
  std::set<std::string> all_;  // names of renderings
  std::vector<std::string> names_;
  std::unique_ptr<Model> model_;
  std::array<uint8_t, 8> id_;
};

}  // namespace mcm::c
