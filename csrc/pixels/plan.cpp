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

Box clipped(const Box& box, Size size) {
  return {std::max<int64_t>(box.top, 0), std::max<int64_t>(box.left, 0),
          std::min(box.bottom, size.height), std::min(box.right, size.width)};
}

Box around(const Box& a, const Box& b) {
  if (a.empty()) return b;
  return {std::min(a.top, b.top), std::min(a.left, b.left), std::max(a.bottom, b.bottom),
          std::max(a.right, b.right)};
}

// Before and behind depth-to-space by `factor`.
Box before(const Box& made, int64_t factor) {
  const auto up = [&](int64_t n) { return (n + factor - 1) / factor; };
  return {made.top / factor, made.left / factor, up(made.bottom), up(made.right)};
}

Box behind(const Box& box, int64_t factor) {
  return {box.top * factor, box.left * factor, box.bottom * factor, box.right * factor};
}

// The positions of its source that a layer's kernel sees.
Box seen(const Box& box, int64_t kernel) {
  if (kernel == 2) return behind(box, 2);
  const int64_t more = kernel / 2;
  return {box.top - more, box.left - more, box.bottom + more, box.right + more};
}

// Rows counted while a plan is made.
class Progress {
 public:
  Progress(const Rendering& rendering, Plan& plan) : rendering_(rendering), plan_(plan) {
    for (const Box& box : plan.tensors) made_.push_back(box.top);
    done_.push_back(plan.tensors[0].top);
    for (const Box& box : plan.layers) done_.push_back(box.top);
  }

  // The row of `layer` up to which it can make them now.
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
    return layer < 0 ? plan_.tensors[0].bottom : plan_.layers[layer].bottom;
  }

  int64_t done(int64_t layer) const { return done_[layer + 1]; }

  void run(int64_t layer, int64_t last) {
    plan_.steps.push_back({layer, done(layer), last});
    const int64_t tensor = layer + 1, factor = layer < 0 ? 1 : rendering_.layers[layer].scale();
    const int64_t before = made_[tensor];
    done_[tensor] = last;
    made_[tensor] = std::min(last * factor, plan_.tensors[tensor].bottom);
    const int64_t held = made_[tensor] - std::min(needed_from(tensor), before);
    plan_.capacity[tensor] = std::max(plan_.capacity[tensor], held);
  }

 private:
  bool whole(int64_t tensor) const { return made_[tensor] == plan_.tensors[tensor].bottom; }

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

int64_t Needs::products(const Rendering& rendering) const {
  int64_t sum = 0;
  for (size_t i = 0; i < layers.size(); ++i)
    sum += layers[i].area() * rendering.layers[i].products();
  return sum;
}

Needs needs_of(const Rendering& rendering, Size latents, const Box& box) {
  const size_t count = rendering.layers.size();
  Needs needs{{}, std::vector<Box>(count + 1), std::vector<Box>(count)};
  for (const int scale : rendering.scales) needs.sizes.push_back(at_scale(latents, scale));
  const auto see = [&](int tensor, const Box& positions) {
    Box& all = needs.tensors[tensor];
    all = around(all, clipped(positions, needs.sizes[tensor]));
  };
  needs.tensors[count] = box;
  for (size_t i = count; i-- > 0;) {
    const Layer& layer = rendering.layers[i];
    Box& made = needs.tensors[i + 1];
    if (made.empty()) continue;
    needs.layers[i] = before(made, layer.scale());
    made = clipped(behind(needs.layers[i], layer.scale()), needs.sizes[i + 1]);
    for (const int operand : {layer.gate, layer.add}) {
      if (operand >= 0) see(operand, made);
    }
    see(layer.source, seen(needs.layers[i], layer.kernel));
  }
  return needs;
}

Plan make_plan(const Rendering& rendering, Size latents, const Box& box, int64_t rows) {
  Plan plan{needs_of(rendering, latents, box), {}, {}};
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
