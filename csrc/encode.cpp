#include <algorithm>
#include <utility>

#include "engine.h"
#include "wavefront.h"

namespace mcm {
namespace {

constexpr double kExceptionBits = 48;

// What the encoder makes of the latents: exceptions, and visits in the decoder's order.
struct Coding {
  std::vector<std::pair<int64_t, int16_t>> exceptions;
  Writer writer;

  void add(const Tables& tables, const Selection& selection, int64_t index, int16_t value) {
    const auto [table, base] = selection;
    if (!tables.certain(table)) return writer.add(tables, table, base, value);
    const int16_t difference = wrap(value - base - tables.minimum(table));
    if (difference != 0) exceptions.emplace_back(index, difference);
  }
};

Coding code(const Model& model, const int16_t* y, const int16_t* z, int64_t height, int64_t width,
            int64_t quality, const Parameters& parameters) {
  Coding coding;
  const int64_t before = z_latents(model, height, width), z_area = before / model.z_channels;
  const int32_t z_table = model.z_table(quality);
  for (int64_t i = 0; i < before; ++i) {
    const int32_t table = z_table + static_cast<int32_t>(i / z_area);
    coding.add(model.tables, {table, 0}, i, z[i]);
  }
  const int64_t channels = model.slice_channels, area = height * width;
  for_each_position(model.slices, height, width, [&](int64_t slice, int64_t row, int64_t column) {
    int64_t i = slice * channels * area + row * width + column;
    for (int64_t c = 0; c < channels; ++c, i += area) {
      coding.add(model.tables, table_of(model, parameters.mu[i], parameters.indexes[i]), before + i,
                 y[i]);
    }
  });
  std::sort(coding.exceptions.begin(), coding.exceptions.end());
  return coding;
}

int64_t total_size(const std::vector<Bytes>& segments) {
  int64_t size = 0;
  for (const Bytes& segment : segments) size += static_cast<int64_t>(segment.size());
  return size;
}

}  // namespace

Coded encode(const Model& model, const int16_t* y, const int16_t* z, int64_t height, int64_t width,
             int64_t quality, const Parameters& parameters) {
  const Coding coding = code(model, y, z, height, width, quality, parameters);
  Coded coded;
  coded.lanes = kMaxLanes;
  coded.segments = coding.writer.segments(coded.lanes, coded.groups);
  const int states = states_for(total_size(coded.segments));
  if (states != kMaxLanes) {
    coded.lanes = std::min(states, kMaxLanes);
    coded.groups = states / coded.lanes;
    coded.segments = coding.writer.segments(coded.lanes, coded.groups);
  }
  for (const auto& [index, difference] : coding.exceptions) {
    coded.exception_indexes.push_back(index);
    coded.exception_differences.push_back(difference);
  }
  return coded;
}

double cost(const Model& model, const int16_t* y, const int16_t* z, int64_t height, int64_t width,
            int64_t quality, const Parameters& parameters) {
  const Coding coding = code(model, y, z, height, width, quality, parameters);
  return coding.writer.ideal_bits() +
         kExceptionBits * static_cast<double>(coding.exceptions.size());
}

}  // namespace mcm
