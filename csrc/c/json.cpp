#include "json.h"

#include "failure.h"

namespace mcm::c {
namespace {

void need(bool holds) { require(holds, MCM_BAD_MODEL, "not a safetensors file: its header"); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

}  // namespace

void Json::skip_spaces() {
  text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n\r"), text_.size()));
}

bool Json::accept(char c) {
  skip_spaces();
  if (text_.empty() || text_[0] != c) return false;
  text_.remove_prefix(1);
  return true;
}

void Json::expect(char c) { need(accept(c)); }

char Json::next() {
  need(!text_.empty());
  const char c = text_[0];
  text_.remove_prefix(1);
  return c;
}

std::string Json::string() {
  expect('"');
  std::string out;
  for (char c = next(); c != '"'; c = next()) {
    need(static_cast<unsigned char>(c) >= ' ');
    out += c == '\\' ? escaped() : c;
  }
  return out;
}

char Json::escaped() {
  static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const char c = next();
  if (c == 'u') {  // no name that a decoder looks for has one
    for (int i = 0; i < 4; ++i) need(is_hex(next()));
    return '?';
  }
  const size_t which = kLetters.find(c);
  need(which != kLetters.npos);
  return kMeanings[which];
}

uint64_t Json::number() {
  skip_spaces();
  need(!text_.empty() && is_digit(text_[0]));
  uint64_t value = 0;
  while (!text_.empty() && is_digit(text_[0])) {
    const uint64_t digit = static_cast<uint64_t>(next() - '0');
    need(value <= (UINT64_MAX - digit) / 10);
    value = 10 * value + digit;
  }
  return value;
}

void Json::finish() {
  skip_spaces();
  need(text_.empty());
}

}  // namespace mcm::c
