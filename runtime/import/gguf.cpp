#include "runtime/import/gguf.hpp"

#include "runtime/base/bytes.hpp"
#include "runtime/base/file_hash.hpp"

#include <algorithm>
#include <bit>
#include <optional>

namespace larql::import {

namespace {

constexpr std::uint32_t magic = 0x46554747; // "GGUF"
constexpr std::uint64_t max_dims = 4;
constexpr std::uint64_t default_alignment = 32;

/// Bytes of a scalar; 0 for strings and arrays.
std::uint64_t scalar_bytes(gguf_type t) {
  switch (t) {
  case gguf_type::u8:
  case gguf_type::i8:
  case gguf_type::boolean: return 1;
  case gguf_type::u16:
  case gguf_type::i16: return 2;
  case gguf_type::u32:
  case gguf_type::i32:
  case gguf_type::f32: return 4;
  case gguf_type::u64:
  case gguf_type::i64:
  case gguf_type::f64: return 8;
  default: return 0;
  }
}

class reader {
public:
  reader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  [[nodiscard]] std::uint64_t position() const { return at_; }
  [[nodiscard]] std::uint64_t left() const { return bytes_.size() - at_; }

  result<std::span<const std::byte>> take(std::uint64_t n, std::string_view what) {
    if (n > left())
      return fail(errc::corrupt, "{}: truncated: {} needs {} bytes at offset {}, file has {}",
                  name_, what, n, at_, bytes_.size());
    const auto out = bytes_.subspan(at_, n);
    at_ += n;
    return out;
  }
  result<std::uint32_t> u32(std::string_view what) {
    LARQL_TRY(const auto b, take(4, what));
    return load_u32(b, 0);
  }
  result<std::uint64_t> u64(std::string_view what) {
    LARQL_TRY(const auto b, take(8, what));
    return load_u64(b, 0);
  }
  result<std::string_view> string(std::string_view what) {
    LARQL_TRY(const auto n, u64(what));
    LARQL_TRY(const auto b, take(n, what));
    return std::string_view{reinterpret_cast<const char*>(b.data()), b.size()};
  }
  /// Steps over `count` strings; their lengths bound the work.
  result<void> skip_strings(std::uint64_t count, std::string_view what) {
    for (auto i = std::uint64_t{0}; i < count; ++i) {
      LARQL_TRY(const auto ignored, string(what));
      (void) ignored;
    }
    return {};
  }

  result<gguf_value> value(std::string_view key) {
    auto out = gguf_value{};
    LARQL_TRY(const auto code, u32(key));
    LARQL_TRY(out.type, type(code, key));
    out.element = out.type;
    if (out.type == gguf_type::array) {
      LARQL_TRY(const auto element, u32(key));
      LARQL_TRY(out.element, type(element, key));
      if (out.element == gguf_type::array)
        return fail(errc::unsupported, "{}: key \"{}\" is an array of arrays", name_, key);
      LARQL_TRY(out.count, u64(key));
    }
    const auto size = scalar_bytes(out.element);
    // Every element takes at least one byte (a string takes eight), so this bounds the count.
    const auto least = size != 0 ? size : 8;
    if (out.count > left() / least)
      return fail(errc::corrupt, "{}: key \"{}\" has {} elements, more than the file can hold",
                  name_, key, out.count);
    const auto begin = at_;
    if (size != 0)
      at_ += size * out.count;
    else
      LARQL_TRY_VOID(skip_strings(out.count, key));
    out.bytes = bytes_.subspan(begin, at_ - begin);
    return out;
  }

private:
  result<gguf_type> type(std::uint32_t code, std::string_view key) const {
    if (code > static_cast<std::uint32_t>(gguf_type::f64))
      return fail(errc::corrupt, "{}: key \"{}\" has type {}, which is not known", name_, key,
                  code);
    return static_cast<gguf_type>(code);
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::uint64_t at_ = 0;
};

result<gguf_tensor> read_tensor(reader& in, std::string_view name) {
  auto out = gguf_tensor{};
  LARQL_TRY(out.name, in.string("tensor name"));
  LARQL_TRY(const auto n_dims, in.u32(out.name));
  if (n_dims == 0 || n_dims > max_dims)
    return fail(errc::corrupt, "{}: tensor \"{}\" has {} dimensions, expected 1 to {}", name,
                out.name, n_dims, max_dims);
  auto elements = std::uint64_t{1};
  for (auto i = 0u; i < n_dims; ++i) {
    LARQL_TRY(const auto dim, in.u64(out.name));
    if (dim == 0 || dim > (std::uint64_t{1} << 40) / elements)
      return fail(errc::corrupt, "{}: tensor \"{}\": dimension {} is {}, out of range", name,
                  out.name, i, dim);
    elements *= dim;
    out.dims.push_back(dim);
  }
  LARQL_TRY(out.type, in.u32(out.name));
  LARQL_TRY(out.offset, in.u64(out.name));
  return out;
}

std::uint64_t alignment_of(const gguf_head& head) {
  const auto it = head.metadata.find("general.alignment");
  if (it == head.metadata.end() || it->second.type != gguf_type::u32)
    return default_alignment;
  return load_u32(it->second.bytes, 0);
}

} // namespace

result<gguf_head> parse_gguf(std::span<const std::byte> bytes, std::string_view name) {
  auto in = reader{bytes, name};
  LARQL_TRY(const auto found, in.u32("magic"));
  if (found != magic)
    return fail(errc::corrupt, "{}: not a GGUF file: magic is {:08x}, expected {:08x}", name, found,
                magic);
  LARQL_TRY(const auto version, in.u32("version"));
  if (version != 2 && version != 3)
    return fail(errc::unsupported, "{}: GGUF version is {}, expected 2 or 3", name, version);
  LARQL_TRY(const auto tensors, in.u64("tensor count"));
  LARQL_TRY(const auto keys, in.u64("key count"));
  // The shortest key takes 13 bytes, the shortest tensor 32.
  if (keys > in.left() / 13 || tensors > in.left() / 32)
    return fail(errc::corrupt, "{}: {} keys and {} tensors are more than the file can hold", name,
                keys, tensors);
  auto out = gguf_head{};
  for (auto i = std::uint64_t{0}; i < keys; ++i) {
    LARQL_TRY(const auto key, in.string("key"));
    LARQL_TRY(const auto value, in.value(key));
    if (!out.metadata.emplace(key, value).second)
      return fail(errc::corrupt, "{}: key \"{}\" occurs twice", name, key);
  }
  const auto alignment = alignment_of(out);
  if (alignment == 0 || alignment > 1 << 20)
    return fail(errc::corrupt, "{}: general.alignment is {}, out of range", name, alignment);
  auto names = std::unordered_map<std::string_view, int>{};
  for (auto i = std::uint64_t{0}; i < tensors; ++i) {
    LARQL_TRY(auto tensor, read_tensor(in, name));
    if (!names.emplace(tensor.name, 0).second)
      return fail(errc::corrupt, "{}: tensor \"{}\" occurs twice", name, tensor.name);
    if (tensor.offset % alignment != 0)
      return fail(errc::corrupt, "{}: tensor \"{}\": offset {} is not a multiple of {}", name,
                  tensor.name, tensor.offset, alignment);
    out.tensors.push_back(std::move(tensor));
  }
  out.data_offset = (in.position() + alignment - 1) / alignment * alignment;
  return out;
}

// ---- metadata -----------------------------------------------------------------------------------

result<const gguf_value*> gguf_metadata::find(std::string_view key) const {
  const auto it = head_.metadata.find(key);
  if (it == head_.metadata.end())
    return fail(errc::corrupt, "{}: key \"{}\" is missing", name_, key);
  return &it->second;
}

failure gguf_metadata::wrong_type(std::string_view key, const gguf_value& value,
                                  std::string_view expected) const {
  return fail(errc::corrupt, "{}: key \"{}\" has type {}, expected {}", name_, key,
              static_cast<unsigned>(value.type), expected);
}

bool gguf_metadata::is_array(std::string_view key) const {
  const auto it = head_.metadata.find(key);
  return it != head_.metadata.end() && it->second.type == gguf_type::array;
}

namespace {

// Scalars of any integer type (and booleans) as signed 64 bit; nullopt for other types and for
// numbers that do not fit.
std::optional<std::int64_t> integer_at(gguf_type type, std::span<const std::byte> bytes,
                                       std::uint64_t index) {
  const auto size = scalar_bytes(type);
  if (size == 0 || type == gguf_type::f32 || type == gguf_type::f64)
    return std::nullopt;
  auto raw = std::uint64_t{0};
  std::memcpy(&raw, bytes.data() + index * size, size);
  const auto is_signed = type == gguf_type::i8 || type == gguf_type::i16 ||
                         type == gguf_type::i32 || type == gguf_type::i64;
  if (is_signed && size < 8) {
    const auto shift = 64 - 8 * size;
    return static_cast<std::int64_t>(raw << shift) >> shift;
  }
  if (!is_signed && raw > static_cast<std::uint64_t>(INT64_MAX))
    return std::nullopt;
  return static_cast<std::int64_t>(raw);
}

} // namespace

result<std::uint64_t> gguf_metadata::unsigned_integer(std::string_view key) const {
  LARQL_TRY(const auto* value, find(key));
  const auto n = integer_at(value->type, value->bytes, 0);
  if (!n || *n < 0 || value->type == gguf_type::boolean)
    return wrong_type(key, *value, "a non-negative integer");
  return static_cast<std::uint64_t>(*n);
}

result<double> gguf_metadata::number(std::string_view key) const {
  LARQL_TRY(const auto* value, find(key));
  if (value->type == gguf_type::f32)
    return std::bit_cast<float>(load_u32(value->bytes, 0));
  if (value->type == gguf_type::f64)
    return std::bit_cast<double>(load_u64(value->bytes, 0));
  if (const auto n = integer_at(value->type, value->bytes, 0))
    return static_cast<double>(*n);
  return wrong_type(key, *value, "a number");
}

result<bool> gguf_metadata::boolean(std::string_view key) const {
  LARQL_TRY(const auto* value, find(key));
  if (value->type != gguf_type::boolean)
    return wrong_type(key, *value, "a boolean");
  return value->bytes[0] != std::byte{0};
}

result<std::string_view> gguf_metadata::string(std::string_view key) const {
  LARQL_TRY(const auto* value, find(key));
  if (value->type != gguf_type::string)
    return wrong_type(key, *value, "a string");
  return std::string_view{reinterpret_cast<const char*>(value->bytes.data()) + 8,
                          value->bytes.size() - 8};
}

result<std::vector<std::string_view>> gguf_metadata::strings(std::string_view key) const {
  LARQL_TRY(const auto* value, find(key));
  if (value->type != gguf_type::array || value->element != gguf_type::string)
    return wrong_type(key, *value, "an array of strings");
  auto out = std::vector<std::string_view>{};
  out.reserve(value->count);
  auto in = reader{value->bytes, name_};
  for (auto i = std::uint64_t{0}; i < value->count; ++i) {
    LARQL_TRY(const auto s, in.string(key));
    out.push_back(s);
  }
  return out;
}

result<std::vector<std::int64_t>> gguf_metadata::integers(std::string_view key) const {
  LARQL_TRY(const auto* value, find(key));
  if (value->type != gguf_type::array)
    return wrong_type(key, *value, "an array of integers");
  auto out = std::vector<std::int64_t>{};
  out.reserve(value->count);
  for (auto i = std::uint64_t{0}; i < value->count; ++i) {
    const auto n = integer_at(value->element, value->bytes, i);
    if (!n)
      return wrong_type(key, *value, "an array of integers");
    out.push_back(*n);
  }
  return out;
}

// ---- file ---------------------------------------------------------------------------------------

result<gguf_file> gguf_file::open(const std::filesystem::path& path) {
  auto out = gguf_file{};
  out.path_ = path;
  LARQL_TRY(const auto in, file::open(path));
  out.stamp_ = in.stamp();
  LARQL_TRY(out.map_, in.map_all(access_pattern::sequential));
  LARQL_TRY(auto head, parse_gguf(out.map_.bytes(), path.string()));
  out.head_ = std::make_unique<gguf_head>(std::move(head));
  return out;
}

sha256_digest gguf_file::head_digest() const {
  const auto all = map_.bytes();
  return hash_bytes(all.first(std::min<std::uint64_t>(all.size(), head_->data_offset)));
}

result<std::span<const std::byte>> gguf_file::data(const gguf_tensor& tensor,
                                                   std::uint64_t bytes) const {
  const auto size = map_.bytes().size();
  const auto begin = head_->data_offset;
  if (begin > size || tensor.offset > size - begin || bytes > size - begin - tensor.offset)
    return fail(errc::corrupt,
                "{}: truncated: tensor \"{}\" needs {} bytes at offset {}, file has {} bytes",
                path_.string(), tensor.name, bytes, begin + tensor.offset, size);
  return map_.bytes().subspan(begin + tensor.offset, bytes);
}

} // namespace larql::import
