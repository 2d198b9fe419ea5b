// safetensors, the container of Hugging Face checkpoints: a JSON header, then the tensors' bytes.
//
// Everything is checked before it is handed out: the header's length against the file, types,
// shapes against byte ranges, and that the ranges cover the data without gap or overlap, as the
// format demands.
//
// Shapes    Outermost dimension first, as PyTorch has them; a scalar is [1].
// Owner     safetensors_file owns the mapping that data points into.
// Errors    Name the file, the tensor, what was found and expected.
// Source    https://github.com/huggingface/safetensors, "Format".

#pragma once

#include "runtime/base/mapped_file.hpp"
#include "runtime/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace larql::import {

struct safetensor {
  std::string name;
  std::string dtype; ///< "BF16"
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0; ///< into the data section
  std::uint64_t bytes = 0;
};

struct safetensors_head {
  std::vector<safetensor> tensors; ///< in the order of their bytes
  std::uint64_t data_offset = 0;   ///< where the data section starts in the file
};

/// Parses the head of a file of `file_bytes`. `start` is its beginning: the whole head, or as much
/// of it as the file has. `name` stands for the file in messages.
[[nodiscard]] result<safetensors_head> parse_safetensors(std::span<const std::byte> start,
                                                         std::uint64_t file_bytes,
                                                         std::string_view name);

/// An open file: head plus mapped data.
class safetensors_file {
public:
  [[nodiscard]] static result<safetensors_file> open(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const safetensors_head& head() const noexcept { return head_; }
  [[nodiscard]] const file_stamp& stamp() const noexcept { return stamp_; }
  /// Everything before the data section.
  [[nodiscard]] std::span<const std::byte> head_bytes() const {
    return map_.bytes().first(head_.data_offset);
  }

  /// @pre the tensor is one of head()
  [[nodiscard]] std::span<const std::byte> data(const safetensor& tensor) const {
    return map_.bytes().subspan(head_.data_offset + tensor.begin, tensor.bytes);
  }

private:
  std::filesystem::path path_;
  file_stamp stamp_;
  mapped_range map_;
  safetensors_head head_;
};

} // namespace larql::import
