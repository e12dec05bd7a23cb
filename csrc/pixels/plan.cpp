#include "plan.h"

#include <algorithm>

namespace mcm::pixels {
namespace {

Size at_scale(Size latents, int scale) {
  const auto scaled = [&](int64_t n) {
    return scale >= 0 ? n << scale : (n + (int64_t{1} << -scale) - 1) >> -scale;
  };
  return {scaled(latents.height), scaled(latents.width)};
}

// Rows counted while a plan is made.
class Progress {
 public:
  Progress(const Rendering& rendering, Plan& plan)
      : rendering_(rendering), plan_(plan), made_(plan.sizes.size()), done_(plan.sizes.size()) {}

  // Rows of `layer`, of those it makes in all, that can be made now.
  int64_t ready(int64_t layer) const {
    if (layer < 0) return total(layer);
    const Layer& l = rendering_.layers[layer];
    const int64_t rows = made_[l.source];
    int64_t ready = total(layer);
    if (!whole(l.source)) ready = l.kernel == 3 ? rows - 1 : l.kernel == 2 ? rows / 2 : rows;
    for (const int tensor : {l.gate, l.add}) {
      if (tensor >= 0 && !whole(tensor)) ready = std::min(ready, made_[tensor] / l.scale());
    }
    return ready;
  }

  int64_t total(int64_t layer) const {
    if (layer < 0) return plan_.sizes[0].height;
    const Layer& l = rendering_.layers[layer];
    const int64_t height = plan_.sizes[l.source].height;
    return l.kernel == 2 ? (height + 1) / 2 : height;
  }

  int64_t done(int64_t layer) const { return done_[layer + 1]; }

  void run(int64_t layer, int64_t last) {
    plan_.steps.push_back({layer, done(layer), last});
    const int64_t tensor = layer + 1, factor = layer < 0 ? 1 : rendering_.layers[layer].scale();
    const int64_t before = made_[tensor];
    done_[tensor] = last;
    made_[tensor] = std::min(last * factor, plan_.sizes[tensor].height);
    const int64_t held = made_[tensor] - std::min(needed_from(tensor), before);
    plan_.capacity[tensor] = std::max(plan_.capacity[tensor], held);
  }

 private:
  bool whole(int64_t tensor) const { return made_[tensor] == plan_.sizes[tensor].height; }

  // The first row of a tensor that a layer has not read for the last time.
  int64_t needed_from(int64_t tensor) const {
    int64_t first = made_[tensor];
    for (size_t i = tensor; i < rendering_.layers.size(); ++i) {
      const Layer& l = rendering_.layers[i];
      const int64_t layer = static_cast<int64_t>(i), next = done(layer);
      if (next == total(layer)) continue;
      const int64_t row =
          l.kernel == 3 ? std::max<int64_t>(next - 1, 0) : next * (l.kernel == 2 ? 2 : 1);
      if (l.source == tensor) first = std::min(first, row);
      if (l.gate == tensor || l.add == tensor) first = std::min(first, next * l.scale());
    }
    return first;
  }

  const Rendering& rendering_;
  Plan& plan_;
  std::vector<int64_t> made_, done_;  // of each tensor: its rows, and its layer's
};

}  // namespace

Plan make_plan(const Rendering& rendering, Size latents, int64_t rows) {
  Plan plan;
  for (const int scale : rendering.scales) plan.sizes.push_back(at_scale(latents, scale));
  plan.capacity.resize(plan.sizes.size());
  Progress progress(rendering, plan);
  const int64_t last = static_cast<int64_t>(rendering.layers.size()) - 1;
  for (int64_t layer = last; progress.done(last) < progress.total(last);) {
    const int64_t done = progress.done(layer), left = progress.total(layer) - done;
    const int64_t now = std::min(rows, left);
    if (now > 0 && progress.ready(layer) - done >= now) {
      progress.run(layer, done + now);
      layer = last;
    } else {
      --layer;  // it ends: the first unfinished tensor has all it needs
    }
  }
  return plan;
}

}  // namespace mcm::pixels
