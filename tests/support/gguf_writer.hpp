// GGUF files for tests, from any metadata and tensors, right or wrong; and tiny models as GGUF.
//
// Shares no code with the reader.

#pragma once

#include "tests/support/tiny_model.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace larql::test {

class gguf_writer {
public:
  // Metadata. The names of the functions are the format's type names.
  gguf_writer& u8(std::string_view key, std::uint8_t x) { return scalar(key, 0, x); }
  gguf_writer& i8(std::string_view key, std::int8_t x) { return scalar(key, 1, x); }
  gguf_writer& u16(std::string_view key, std::uint16_t x) { return scalar(key, 2, x); }
  gguf_writer& i16(std::string_view key, std::int16_t x) { return scalar(key, 3, x); }
  gguf_writer& u32(std::string_view key, std::uint32_t x) { return scalar(key, 4, x); }
  gguf_writer& i32(std::string_view key, std::int32_t x) { return scalar(key, 5, x); }
  gguf_writer& f32(std::string_view key, float x) { return scalar(key, 6, x); }
  gguf_writer& boolean(std::string_view key, bool x) { return scalar(key, 7, x); }
  gguf_writer& u64(std::string_view key, std::uint64_t x) { return scalar(key, 10, x); }
  gguf_writer& i64(std::string_view key, std::int64_t x) { return scalar(key, 11, x); }
  gguf_writer& f64(std::string_view key, double x) { return scalar(key, 12, x); }
  gguf_writer& string(std::string_view key, std::string_view x);
  gguf_writer& strings(std::string_view key, const std::vector<std::string>& x);
  gguf_writer& i32s(std::string_view key, const std::vector<std::int32_t>& x);
  gguf_writer& f32s(std::string_view key, const std::vector<float>& x);
  gguf_writer& booleans(std::string_view key, const std::vector<bool>& x);
  /// A value of any type code from its encoded bytes.
  gguf_writer& raw(std::string_view key, std::uint32_t type, std::string_view bytes);
  /// Replaces what was added under the key, or removes it.
  gguf_writer& erase(std::string_view key);

  /// `dims` in ggml's order, the contiguous one first. `type` is a ggml code.
  gguf_writer& tensor(std::string_view name, std::vector<std::uint64_t> dims, std::uint32_t type,
                      std::string_view data);
  gguf_writer& erase_tensor(std::string_view name);

  /// Version 3 with 32-byte alignment unless told otherwise.
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;

  [[nodiscard]] std::string bytes() const;
  /// Bytes before the data section.
  [[nodiscard]] std::size_t head_bytes() const { return head().size(); }
  void write(const std::filesystem::path& path) const;

private:
  struct value {
    std::string key;
    std::uint32_t type;
    std::string bytes;
  };
  struct info {
    std::string name;
    std::vector<std::uint64_t> dims;
    std::uint32_t type;
    std::string data;
  };

  template <class T>
  gguf_writer& scalar(std::string_view key, std::uint32_t type, T x) {
    return raw(key, type, {reinterpret_cast<const char*>(&x), sizeof x});
  }
  template <class T>
  gguf_writer& array(std::string_view key, std::uint32_t type, const std::vector<T>& x);
  [[nodiscard]] std::string head() const;

  std::vector<value> values_;
  std::vector<info> tensors_;
};

/// ggml's code of an encoding.
[[nodiscard]] std::uint32_t ggml_code(quant::encoding e);

/// "layers.0.self_attn.q_proj.weight" → "blk.0.attn_q.weight"
[[nodiscard]] std::string gguf_tensor_name(const std::string& key);

/// The model as llama.cpp stores it: names, metadata and dimensions of the gemma4 architecture.
/// Q6_K bytes go out as they are, so they mean other weights than in the vindex.
[[nodiscard]] gguf_writer gguf_of(const import::checkpoint& model);

/// The same in so many files that take turns with the tensors; only the first has the numbers.
[[nodiscard]] std::vector<gguf_writer> gguf_parts_of(const tiny_model& model, std::size_t count);

} // namespace larql::test
