// GGUF, the container of llama.cpp's model files: metadata and tensors of one file.
//
// Everything is checked before it is handed out: counts and lengths against the file's size, tensor
// ranges, alignment, duplicate names.
//
// Owner     gguf_file owns the mapping that all views point into.
// Errors    Name the file, the key or tensor, what was found and expected.
// Source    https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.

#pragma once

#include "runtime/base/mapped_file.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/sha256.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace larql::import {

/// Value types of the format. On disk: never change.
enum class gguf_type : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

/// One metadata value; arrays are not expanded until asked.
struct gguf_value {
  gguf_type type = gguf_type::u8;    ///< `array` for arrays
  gguf_type element = gguf_type::u8; ///< element type of an array
  std::uint64_t count = 1;           ///< elements
  std::span<const std::byte> bytes;  ///< the encoded value or elements
};

struct gguf_tensor {
  std::string_view name;
  std::uint32_t type = 0;          ///< ggml type code
  std::vector<std::uint64_t> dims; ///< ggml order: dims[0] is contiguous
  std::uint64_t offset = 0;        ///< into the data section
};

/// Parsed head of a file. Views point into the bytes it was parsed from.
struct gguf_head {
  std::unordered_map<std::string_view, gguf_value> metadata;
  std::vector<gguf_tensor> tensors;
  std::uint64_t data_offset = 0; ///< where the data section starts in the file
};

/// Parses the head of a GGUF file. `name` stands for the file in messages.
[[nodiscard]] result<gguf_head> parse_gguf(std::span<const std::byte> bytes, std::string_view name);

/// Typed reads of metadata with errors that name the file and the key.
class gguf_metadata {
public:
  gguf_metadata(const gguf_head& head, std::string name) : head_(head), name_(std::move(name)) {}

  [[nodiscard]] const std::string& file_name() const noexcept { return name_; }
  [[nodiscard]] bool has(std::string_view key) const { return head_.metadata.contains(key); }
  [[nodiscard]] bool is_array(std::string_view key) const;

  [[nodiscard]] result<std::uint64_t> unsigned_integer(std::string_view key) const;
  [[nodiscard]] result<double> number(std::string_view key) const;
  [[nodiscard]] result<bool> boolean(std::string_view key) const;
  [[nodiscard]] result<std::string_view> string(std::string_view key) const;

  [[nodiscard]] result<std::vector<std::string_view>> strings(std::string_view key) const;
  /// Integer or boolean elements.
  [[nodiscard]] result<std::vector<std::int64_t>> integers(std::string_view key) const;

private:
  [[nodiscard]] result<const gguf_value*> find(std::string_view key) const;
  [[nodiscard]] failure wrong_type(std::string_view key, const gguf_value& value,
                                   std::string_view expected) const;

  const gguf_head& head_;
  std::string name_;
};

/// An open file: head plus mapped data.
class gguf_file {
public:
  [[nodiscard]] static result<gguf_file> open(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const gguf_head& head() const noexcept { return *head_; }
  [[nodiscard]] const file_stamp& stamp() const noexcept { return stamp_; }
  /// SHA-256 of everything before the data section.
  [[nodiscard]] sha256_digest head_digest() const;
  [[nodiscard]] gguf_metadata metadata() const { return {*head_, path_.string()}; }

  /// `bytes` bytes of a tensor's data. Fails if they are not inside the file.
  [[nodiscard]] result<std::span<const std::byte>> data(const gguf_tensor& tensor,
                                                        std::uint64_t bytes) const;

private:
  std::filesystem::path path_;
  file_stamp stamp_;
  mapped_range map_;
  std::unique_ptr<gguf_head> head_; // stable address for metadata()
};

} // namespace larql::import
