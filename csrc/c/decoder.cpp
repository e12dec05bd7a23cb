#include "decoder.h"

#include <algorithm>

#include "failure.h"

namespace mcm::c {
namespace {

bool is_preview(const std::string& name) { return name == "preview8" || name == "preview16"; }

// One head for each slice (FORMAT.md, section 2).
int64_t slices_of(const Tensors& tensors) {
  constexpr std::string_view kHead = ".head.weight";
  return std::count_if(tensors.begin(), tensors.end(), [&](const auto& entry) {
    const std::string& name = entry.first;
    return name.size() >= kHead.size() && name.substr(name.size() - kHead.size()) == kHead;
  });
}

// What `load` makes; numbers that the engine refuses are the file's fault, not the caller's.
template <class Load>
auto from_file(const Load& load) {
  try {
    return load();
  } catch (const std::invalid_argument& error) {
    throw Failure(MCM_BAD_MODEL, std::string("not a decoder's file: ") + error.what());
  }
}

}  // namespace

Decoder::Decoder(const char* path) : file_(path), all_(file_.renderings()) {
  std::copy_if(all_.begin(), all_.end(), std::back_inserter(names_),
               [](const std::string& name) { return !is_preview(name); });
  require(!names_.empty(), MCM_BAD_MODEL, "not a decoder's file: it has no rendering");
  const Loaded integers = file_.integers();
  model_ = from_file(
      [&] { return std::make_unique<Model>(integers.tensors, slices_of(integers.tensors)); });
  id_ = identity(integers.tensors);
}

const Drawer& Decoder::drawer(const std::string& name, int64_t scale) const {
  require(std::count(names_.begin(), names_.end(), name) > 0, MCM_BAD_ARGUMENT,
          "the model has no rendering " + name);
  const std::string drawn = scale == 1 ? name : "preview" + std::to_string(scale);
  require(all_.count(drawn) > 0, MCM_BAD_ARGUMENT, "the model's file has no " + drawn);
  const std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<Drawer>& drawer = drawers_[drawn];
  if (!drawer) drawer = load(drawn, scale);
  return *drawer;
}

std::unique_ptr<Drawer> Decoder::load(const std::string& name, int64_t scale) const {
  const Loaded loaded = file_.rendering(name);
  return from_file([&] {
    std::unique_ptr<Drawer> drawer(new Drawer{pixels::Rendering(loaded.tensors), {}});
    drawer->sight = sight_of(drawer->rendering, *model_, scale);
    return drawer;
  });
}

}  // namespace mcm::c
