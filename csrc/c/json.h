// As much of JSON as the header of a safetensors file needs: objects, arrays, strings and natural
// numbers, in the order that the caller expects them. Nothing nests deeper than the caller asks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mcm::c {

// Every function throws Failure (MCM_BAD_MODEL) for any other text.
class Json {
 public:
  explicit Json(std::string_view text) : text_(text) {}

  std::string string();
  uint64_t number();

  // Calls member(key) for each, which must read its value.
  template <class Member>
  void object(const Member& member) {
    expect('{');
    if (accept('}')) return;
    do {
      const std::string key = string();
      expect(':');
      member(key);
    } while (accept(','));
    expect('}');
  }

  // Calls element() for each, which must read it.
  template <class Element>
  void array(const Element& element) {
    expect('[');
    if (accept(']')) return;
    do element();
    while (accept(','));
    expect(']');
  }

  // Nothing but spaces follows.
  void finish();

 private:
  bool accept(char c);
  void expect(char c);
  char next();
  char escaped();
  void skip_spaces();

  std::string_view text_;
};

}  // namespace mcm::c
