#include "runtime/import/safetensors.hpp"

#include "runtime/base/bytes.hpp"
#include "runtime/base/json.hpp"

#include <algorithm>
#include <optional>

namespace larql::import {

namespace {

constexpr std::uint64_t max_header_bytes = 100'000'000; // the format's own limit
constexpr std::size_t max_tensors = 1u << 20;
constexpr std::size_t max_dimensions = 8;

struct dtype_size {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr dtype_size dtypes[] = {
    {"F64", 8}, {"F32", 4}, {"F16", 2},  {"BF16", 2},    {"I64", 8},
    {"I32", 4}, {"I16", 2}, {"I8", 1},   {"U64", 8},     {"U32", 4},
    {"U16", 2}, {"U8", 1},  {"BOOL", 1}, {"F8_E5M2", 1}, {"F8_E4M3", 1},
};

// Nothing if it does not fit 64 bits.
std::optional<std::uint64_t> byte_count(const std::vector<std::uint64_t>& shape,
                                        std::uint64_t element_bytes) {
  auto out = element_bytes;
  for (const auto n : shape)
    if (__builtin_mul_overflow(out, n, &out))
      return std::nullopt;
  return out;
}

// A list of non-negative integers.
result<std::vector<std::uint64_t>> integers(const json_fields& f, const char* key,
                                            std::size_t most) {
  LARQL_TRY(const json* list, f.array(key));
  auto out = std::vector<std::uint64_t>{};
  for (const auto& n : *list) {
    if (!n.is_number_unsigned() || out.size() == most)
      return fail(errc::corrupt, "{}: field \"{}\" is not a list of at most {} integers", f.where(),
                  key, most);
    out.push_back(n.get<std::uint64_t>());
  }
  return out;
}

result<safetensor> read_tensor(const std::string& name, const json& entry, std::string_view file,
                               std::uint64_t data_bytes) {
  auto shown = json(name).dump(-1, ' ', true, json::error_handler_t::replace);
  shown.resize(std::min<std::size_t>(shown.size(), 200));
  const auto where = fmt::format("{}: tensor {}", file, shown);
  const auto f = json_fields{entry, where};
  auto out = safetensor{};
  out.name = name;
  LARQL_TRY(out.dtype, f.string("dtype"));
  const auto* type = std::find_if(std::begin(dtypes), std::end(dtypes),
                                  [&](const dtype_size& d) { return d.name == out.dtype; });
  if (type == std::end(dtypes))
    return fail(errc::unsupported, "{}: field \"dtype\" is {}, which is no known type", where,
                json(out.dtype.substr(0, 40)).dump(-1, ' ', true, json::error_handler_t::replace));
  LARQL_TRY(out.shape, integers(f, "shape", max_dimensions));
  LARQL_TRY(const auto range, integers(f, "data_offsets", 2));
  if (range.size() != 2 || range[0] > range[1] || range[1] > data_bytes)
    return fail(errc::corrupt, "{}: data_offsets are {}, expected a range within {} data bytes",
                where, entry["data_offsets"].dump(), data_bytes);
  out.begin = range[0];
  out.bytes = range[1] - range[0];
  const auto expected = byte_count(out.shape, type->bytes);
  if (!expected || *expected != out.bytes)
    return fail(errc::corrupt, "{}: has {} bytes, expected {} for {} {}", where, out.bytes,
                expected ? fmt::format("{}", *expected) : "more than any file has", out.dtype,
                entry["shape"].dump());
  if (out.shape.empty())
    out.shape = {1};
  return out;
}

} // namespace

result<safetensors_head> parse_safetensors(std::span<const std::byte> start,
                                           std::uint64_t file_bytes, std::string_view name) {
  if (start.size() < 8)
    return fail(errc::corrupt, "{}: truncated: {} bytes, expected a header", name, file_bytes);
  const auto header_bytes = load_u64(start, 0);
  if (header_bytes > max_header_bytes || header_bytes > file_bytes - 8 ||
      header_bytes > start.size() - 8)
    return fail(errc::corrupt, "{}: header length is {}, expected at most {} in a file of {} bytes",
                name, header_bytes, std::min(max_header_bytes, file_bytes - 8), file_bytes);
  auto out = safetensors_head{};
  out.data_offset = 8 + header_bytes;
  const auto data_bytes = file_bytes - out.data_offset;
  const auto text = std::string_view{reinterpret_cast<const char*>(start.data()) + 8, header_bytes};
  LARQL_TRY(const auto header, parse_json(text, name));
  if (!header.is_object() || header.size() > max_tensors)
    return fail(errc::corrupt, "{}: header is no JSON object of at most {} tensors", name,
                max_tensors);
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__")
      continue;
    LARQL_TRY(auto tensor, read_tensor(key, entry, name, data_bytes));
    out.tensors.push_back(std::move(tensor));
  }
  std::sort(out.tensors.begin(), out.tensors.end(), [](const safetensor& a, const safetensor& b) {
    return std::pair{a.begin, a.bytes} < std::pair{b.begin, b.bytes};
  });
  auto at = std::uint64_t{0};
  for (const auto& t : out.tensors) {
    if (t.begin != at)
      return fail(errc::corrupt, "{}: tensor \"{}\" begins at data byte {}, expected {}: {}", name,
                  t.name, t.begin, at, t.begin < at ? "two tensors overlap" : "there is a gap");
    at += t.bytes;
  }
  if (at != data_bytes)
    return fail(errc::corrupt, "{}: has {} data bytes, expected {} for its tensors", name,
                data_bytes, at);
  return out;
}

result<safetensors_file> safetensors_file::open(const std::filesystem::path& path) {
  auto out = safetensors_file{};
  out.path_ = path;
  LARQL_TRY(const auto in, file::open(path));
  out.stamp_ = in.stamp();
  LARQL_TRY(out.map_, in.map_all(access_pattern::sequential));
  LARQL_TRY(out.head_, parse_safetensors(out.map_.bytes(), in.size_bytes(), path.string()));
  return out;
}

} // namespace larql::import
