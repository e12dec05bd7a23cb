#include "render.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "../errors.h"
#include "../predict.h"
#include "../team.h"
#include "kernel.h"

namespace mcm::pixels {
namespace {

constexpr int64_t kSlack = 64;      // values behind a tensor that a register may read
constexpr int64_t kLine = 32;       // values of a cache line
constexpr int64_t kPositions = 12;  // a segment of a row is a multiple: no kernel's tile is cut
constexpr int64_t kMaxSide = int64_t{1} << 28;

// The rows of a tensor's box that are held. Where it ends with the image, the last position is
// repeated beyond it.
class Rows {
 public:
  Rows(Size size, const Box& box, int64_t channels, int64_t capacity, int16_t* memory)
      : size_(size), box_(box), channels_(channels), capacity_(capacity), values_(memory) {}

  // Values that such rows take, in whole cache lines.
  static int64_t values(const Box& box, int64_t channels, int64_t capacity) {
    return rounded_up(capacity * (box.right - box.left + 2) * channels + kSlack, kLine);
  }

  int64_t bottom() const { return box_.bottom; }
  int64_t right() const { return box_.right; }

  // Row `row`, or the image's edge where there is no such row.
  int16_t* at(int64_t row, int64_t column) {
    row = std::clamp<int64_t>(row, 0, size_.height - 1) % capacity_;
    return values_ + (row * (right() - box_.left + 2) + column - box_.left + 1) * channels_;
  }

  // Repeats the image's edges in a row of which columns first .. last - 1 have just been made.
  void repeat_edges(int64_t row, int64_t first, int64_t last) {
    const size_t bytes = channels_ * sizeof(int16_t);
    if (first == 0) std::memcpy(at(row, -1), at(row, 0), bytes);
    if (last == size_.width) std::memcpy(at(row, last), at(row, last - 1), bytes);
  }

 private:
  Size size_;
  Box box_;
  int64_t channels_, capacity_;
  int16_t* values_;
};

void to_bytes(const int16_t* __restrict v, int64_t count, uint8_t* __restrict bytes) {
  for (int64_t i = 0; i < count; ++i) {
    const int16_t low = v[i] < 0 ? int16_t{0} : v[i];
    bytes[i] = static_cast<uint8_t>(low > 255 ? int16_t{255} : low);
  }
}

// Pixels of 3 bytes next to each other -> `step` bytes apart.
void place(const uint8_t* from, int64_t pixels, int64_t step, uint8_t* to) {
  if (step == 3 && pixels == 4) {  // a length that the compiler knows
    std::memcpy(to, from, 12);
    return;
  }
  for (int64_t i = 0; i < pixels; ++i) std::memcpy(to + i * step, from + 3 * i, 3);
}

class Renderer {
 public:
  Renderer(const Rendering& rendering, const Latents& latents, int64_t quality, const Box& box,
           const Canvas& canvas, Plan plan)
      : rendering_(rendering),
        latents_(latents),
        gain_(rendering.gain_at(quality)),
        box_(box),
        canvas_(canvas),
        plan_(std::move(plan)) {
    const size_t stored = rendering.layers.size();  // all tensors but the image
    std::vector<int64_t> begin(stored + 1);
    for (size_t i = 0; i < stored; ++i) {
      begin[i + 1] =
          begin[i] + Rows::values(plan_.tensors[i], rendering.channels[i], plan_.capacity[i]);
    }
    memory_ = rendering.pool.take(begin[stored]);
    for (size_t i = 0; i < stored; ++i) {
      tensors_.emplace_back(plan_.sizes[i], plan_.tensors[i], rendering.channels[i],
                            plan_.capacity[i], memory_.data() + begin[i]);
    }
  }
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;
  ~Renderer() { rendering_.pool.give(std::move(memory_)); }

  void run(Team& team) {
    // Before the team starts: its jobs must not throw.
    scratch_.assign(team.size(), Values<int16_t>(scratch_values()));
    for (const Step& step : plan_.steps) run(step, team);
  }

 private:
  // What the longest row of any layer takes: its outputs, and as many bytes; or its squares.
  int64_t scratch_values() const {
    int64_t most = 0;
    for (size_t i = 0; i < plan_.layers.size(); ++i) {
      const Layer& layer = rendering_.layers[i];
      const int64_t width = plan_.layers[i].right - plan_.layers[i].left;
      most = std::max(most, width * std::max(2 * layer.outputs, layer.inputs));
    }
    return most + kSlack;
  }

  // Each row of a step is cut into segments, so that all threads have some.
  void run(const Step& step, Team& team) {
    const Layer* layer = step.layer < 0 ? nullptr : &rendering_.layers[step.layer];
    const Box& box = layer ? plan_.layers[step.layer] : plan_.tensors[0];
    const int64_t rows = step.last - step.first, width = box.right - box.left;
    const int64_t wanted = team.size() == 1 ? 1 : (2 * team.size() + rows - 1) / rows;
    const int64_t part = rounded_up((width + wanted - 1) / wanted, kPositions);
    const int64_t parts = (width + part - 1) / part;
    const int64_t products = layer ? layer->products() / 2 : 16 * rendering_.channels[0];
    team.for_each(rows * parts, rows * width * products, [&](int64_t item, int64_t member) {
      const int64_t row = step.first + item / parts, first = box.left + item % parts * part;
      const int64_t last = std::min(first + part, box.right);
      if (layer) return run(*layer, step.layer + 1, row, first, last, scratch_[member]);
      latents_in(rendering_, latents_, gain_, row, first, last - first, tensors_[0].at(row, first));
      tensors_[0].repeat_edges(row, first, last);
    });
  }

  // Columns first .. last - 1 of one row of a layer, before depth-to-space.
  void run(const Layer& layer, int64_t number, int64_t row, int64_t first, int64_t last,
           Values<int16_t>& scratch) {
    Rows& source = tensors_[layer.source];
    const bool whole = number < static_cast<int64_t>(tensors_.size());
    const bool direct = layer.scale() == 1 && whole;
    const int64_t stride = layer.kernel == 2 ? 2 : 1, pad = layer.kernel == 3 ? 1 : 0;
    const int64_t count = last - first;
    Run run{};
    run.layer = &layer;
    for (int64_t i = 0; i < layer.kernel; ++i) {
      run.window[i] = source.at(stride * row + i - pad, stride * first - pad);
    }
    run.step = stride * layer.inputs;
    run.count = count;
    run.stride = layer.outputs;
    run.sigmoid = rendering_.sigmoid.data();
    const bool plain = layer.gate < 0 && layer.add < 0;
    run.limit = whole && (direct || plain) ? layer.limit : kMost;
    if (direct) {
      run.out = tensors_[number].at(row, first);
      if (layer.gate >= 0) run.gate = tensors_[layer.gate].at(row, first);
      if (layer.add >= 0) run.add = tensors_[layer.add].at(row, first);
    } else {
      run.out = scratch.data();
    }
    if (layer.operation == Operation::kInverseGdn) {
      square(run.window[0], count * layer.inputs, layer.factor, scratch.data());
      run.x = run.window[0];
      run.window[0] = scratch.data();
      normalize(run);
    } else {
      convolve(run);
    }
    if (direct) return tensors_[number].repeat_edges(row, first, last);
    whole ? spread(layer, number, row, first, count, scratch.data())
          : draw(layer, row, first, count, scratch.data());
  }

  // Depth-to-space of `count` positions, with gate, addend and limit; v [count, outputs].
  void spread(const Layer& layer, int64_t number, int64_t row, int64_t first, int64_t count,
              int16_t* v) {
    Rows& out = tensors_[number];
    const int64_t factor = layer.factor, length = layer.outputs / factor;
    const int64_t begin = first * factor, end = std::min((first + count) * factor, out.right());
    for (int64_t i = 0; i < factor; ++i) {
      const int64_t y = row * factor + i;
      if (y >= out.bottom()) return;
      for (int64_t p = 0; p < count; ++p) {
        const int64_t column = (first + p) * factor;
        const int64_t columns = std::min(factor, out.right() - column);
        combine(layer, y, column, columns * layer.channels(), v + p * layer.outputs + i * length);
        std::memcpy(out.at(y, column), v + p * layer.outputs + i * length,
                    columns * layer.channels() * sizeof(int16_t));
      }
      out.repeat_edges(y, begin, end);
    }
  }

  void combine(const Layer& layer, int64_t row, int64_t column, int64_t count, int16_t* v) {
    if (layer.gate < 0 && layer.add < 0) return;  // the kernel has seen to the limit
    const int16_t* gate = layer.gate < 0 ? nullptr : tensors_[layer.gate].at(row, column);
    const int16_t* add = layer.add < 0 ? nullptr : tensors_[layer.add].at(row, column);
    for (int64_t i = 0; i < count; ++i) {
      int value = v[i];
      if (gate) value = (value * gate[i] + (1 << 14)) >> 15;
      if (add) value += add[i];
      v[i] = static_cast<int16_t>(std::clamp(value, -layer.limit, layer.limit));
    }
  }

  // The image's layer: what lies in the box becomes bytes.
  void draw(const Layer& layer, int64_t row, int64_t first, int64_t count, int16_t* v) const {
    const int64_t values = count * layer.outputs;
    uint8_t* bytes = reinterpret_cast<uint8_t*>(v + values);
    to_bytes(v, values, bytes);
    const int64_t factor = layer.factor;
    const int64_t begin = std::max(first * factor, box_.left);
    const int64_t end = std::min((first + count) * factor, box_.right);
    for (int64_t y = std::max(row * factor, box_.top);
         y < std::min((row + 1) * factor, box_.bottom); ++y) {
      uint8_t* line = canvas_.pixels + (y - box_.top) * canvas_.row_step;
      for (int64_t x = begin; x < end;) {
        const int64_t p = x / factor, j = x % factor, pixels = std::min(factor - j, end - x);
        const uint8_t* from =
            bytes + (p - first) * layer.outputs + ((y - row * factor) * factor + j) * 3;
        uint8_t* to = line + (x - box_.left) * canvas_.column_step;
        place(from, pixels, canvas_.column_step, to);
        x += pixels;
      }
    }
  }

  const Rendering& rendering_;
  const Latents& latents_;
  const std::vector<int32_t> gain_;
  const Box box_;
  const Canvas canvas_;
  const Plan plan_;
  Values<int16_t> memory_;
  std::vector<Rows> tensors_;
  std::vector<Values<int16_t>> scratch_;  // of each thread
};

void check_indexes(const Rendering& rendering, const Latents& latents, const Box& seen) {
  uint8_t largest = 0;
  for (int64_t row = 0; row < rendering.y_channels * latents.height; ++row) {
    if (row % latents.height < seen.top || row % latents.height >= seen.bottom) continue;
    const uint8_t* at = latents.indexes + row * latents.width;
    largest = std::max(largest, *std::max_element(at + seen.left, at + seen.right));
  }
  require(largest < rendering.indexes, "an index is beyond the rendering's table of means");
}

}  // namespace

void check_box(const Rendering& rendering, int64_t height, int64_t width, const Box& box) {
  const int64_t block = rendering.block();
  require(height >= 1 && width >= 1 && height <= kMaxSide && width <= kMaxSide,
          "latents of " + std::to_string(height) + " x " + std::to_string(width));
  require(0 <= box.top && box.top < box.bottom && box.bottom <= height * block && 0 <= box.left &&
              box.left < box.right && box.right <= width * block,
          "the box does not lie within the image");
}

void render(const Rendering& rendering, const Latents& latents, int64_t quality, const Box& box,
            const Canvas& canvas, int64_t threads, int64_t rows) {
  check_box(rendering, latents.height, latents.width, box);
  require(rows >= 1, "rows must be at least 1, not " + std::to_string(rows));
  Plan plan = make_plan(rendering, {latents.height, latents.width}, box, rows);
  check_indexes(rendering, latents, plan.tensors[0]);
  Team team(team_size(threads), plan.products(rendering) / 2);
  Renderer(rendering, latents, quality, box, canvas, std::move(plan)).run(team);
}

}  // namespace mcm::pixels
