#include "model_file.h"

#include "cursor.h"
#include "json.h"
#include "sha256.h"

namespace mcm::c {
namespace {

constexpr uint64_t kMaxHeader = 100000000;  // as the safetensors library has it
constexpr std::string_view kPrefix = "pixels.";
constexpr std::string_view kArithmetic = "mcm_fast arithmetic 1\n";

struct TypeName {
  std::string_view in_file, in_identity;
  Type type;
  uint64_t bytes;
};
constexpr TypeName kTypes[] = {{"I8", "int8", Type::kInt8, 1},
                               {"I16", "int16", Type::kInt16, 2},
                               {"I32", "int32", Type::kInt32, 4},
                               {"I64", "int64", Type::kInt64, 8}};

const TypeName* named(std::string_view in_file) {
  for (const TypeName& type : kTypes) {
    if (type.in_file == in_file) return &type;
  }
  return nullptr;
}

const TypeName& stated(Type type) { return kTypes[static_cast<int>(type)]; }

void need(bool holds, const std::string& message) {
  require(holds, MCM_BAD_MODEL, "not a decoder's file: " + message);
}

uint64_t bytes_of(const std::vector<int64_t>& shape, uint64_t bytes) {
  for (const int64_t n : shape) {
    need(n == 0 || bytes <= UINT64_MAX / static_cast<uint64_t>(n), "a tensor beyond all sizes");
    bytes *= static_cast<uint64_t>(n);
  }
  return bytes;
}

bool begins_with(const std::string& text, std::string_view prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

}  // namespace

ModelFile::ModelFile(const char* path) : file_(path, std::ios::binary | std::ios::ate) {
  const auto end = file_.tellg();
  require(file_.good() && end >= 0, MCM_NO_FILE, std::string("cannot read ") + path);
  size_ = static_cast<uint64_t>(end);
  read_header();
}

void ModelFile::read_header() {
  need(size_ >= 8, "shorter than 8 bytes");
  const uint64_t length = little_endian({read(0, 8).get(), 8});
  need(length <= kMaxHeader && length <= size_ - 8, "its header ends beyond it");
  data_ = 8 + length;
  const std::unique_ptr<char[]> text = read(8, data_);
  Json json({text.get(), length});
  json.object([&](const std::string& name) {
    if (name == "__metadata__") return json.object([&](const std::string&) { json.string(); });
    Place place{Type::kOther, {}, 0, 0};
    read_place(json, place);
    need(places_.emplace(name, place).second, "two tensors called " + name);
  });
  json.finish();
}

void ModelFile::read_place(Json& json, Place& place) const {
  std::vector<uint64_t> offsets;
  const TypeName* type = nullptr;
  json.object([&](const std::string& key) {
    if (key == "dtype") {
      type = named(json.string());
    } else if (key == "shape") {
      json.array([&] {
        const uint64_t n = json.number();
        need(n <= INT64_MAX, "a tensor beyond all sizes");
        place.shape.push_back(static_cast<int64_t>(n));
      });
    } else {
      need(key == "data_offsets", "a tensor's " + key);
      json.array([&] { offsets.push_back(json.number()); });
    }
  });
  need(offsets.size() == 2 && offsets[0] <= offsets[1] && offsets[1] <= size_ - data_,
       "a tensor lies beyond it");
  place.begin = data_ + offsets[0], place.end = data_ + offsets[1];
  if (type == nullptr) return;  // floats, which nobody looks at
  place.type = type->type;
  need(bytes_of(place.shape, type->bytes) == offsets[1] - offsets[0], "a tensor of another size");
}

std::unique_ptr<char[]> ModelFile::read(uint64_t begin, uint64_t end) {
  std::unique_ptr<char[]> bytes(new char[end - begin]);
  file_.seekg(static_cast<std::streamoff>(begin));
  file_.read(bytes.get(), static_cast<std::streamsize>(end - begin));
  const bool whole = file_.good();
  file_.clear();  // so that a later call may succeed
  require(whole, MCM_NO_FILE, "the model's file cannot be read");
  return bytes;
}

void ModelFile::load(const std::string& key, const std::string& name, Loaded& to) {
  const Place& place = places_.at(key);
  to.memory.push_back(read(place.begin, place.end));
  to.tensors[name] = {place.type, place.shape, to.memory.back().get()};
}

std::set<std::string> ModelFile::renderings() const {
  std::set<std::string> names;
  for (const auto& [key, place] : places_) {
    if (!begins_with(key, kPrefix)) continue;
    const size_t end = key.find('.', kPrefix.size());
    if (end != key.npos) names.insert(key.substr(kPrefix.size(), end - kPrefix.size()));
  }
  return names;
}

Loaded ModelFile::integers() {
  Loaded loaded;
  for (const auto& [key, place] : places_) {
    if (!begins_with(key, kPrefix) && place.type != Type::kOther) load(key, key, loaded);
  }
  return loaded;
}

Loaded ModelFile::rendering(const std::string& name) {
  const std::string prefix = std::string(kPrefix) + name + ".";
  Loaded loaded;
  for (const auto& [key, place] : places_) {
    if (begins_with(key, prefix)) load(key, key.substr(prefix.size()), loaded);
  }
  return loaded;
}

std::array<uint8_t, 8> identity(const Tensors& tensors) {
  Sha256 hash;
  hash.update(kArithmetic);
  for (const auto& [name, tensor] : tensors) {
    const TypeName& type = stated(tensor.type);
    std::string head = name + '\0' + std::string(type.in_identity) + '\0';
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      head += (i > 0 ? "," : "") + std::to_string(tensor.shape[i]);
    }
    hash.update(head + '\0');
    hash.update({static_cast<const char*>(tensor.data), bytes_of(tensor.shape, type.bytes)});
  }
  const std::array<uint8_t, 32> digest = hash.digest();
  std::array<uint8_t, 8> id{};
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

}  // namespace mcm::c
