// A model as its publisher ships it, whatever the container: numbers, tensors by the vindex's
// names, and the text files that travel along.
//
// Shapes    Outermost dimension first: [out][in], experts [experts][out][in].
// Owner     checkpoint keeps the mapped files alive that tensors point into. They must be shared
//           file mappings: extract() gives converted pages back to the kernel, which reads them
//           again from the file but would clear ordinary memory.

#pragma once

#include "runtime/base/mapped_file.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/quant/encoding.hpp"
#include "runtime/vindex/index_json.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace larql::import {

struct source_tensor {
  std::string name; ///< in the source, for messages
  quant::encoding format = quant::encoding::f32;
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> data;
  std::uint32_t part = 0;   ///< of checkpoint::parts: where data lies
  std::uint64_t offset = 0; ///< in that file

  [[nodiscard]] std::uint64_t rows() const; ///< product of all dimensions but the last
  [[nodiscard]] std::uint64_t cols() const { return shape.back(); }
};

/// A file that a checkpoint was read from.
struct source_part {
  std::filesystem::path path;
  file_stamp stamp;
  sha256_digest head{}; ///< of what says which tensors it has; of a small file, of all of it
  /// Of a file that a pull brings: the hash that its repository names it by, instead of stamp and
  /// head. It stays while bytes arrive.
  std::string content = {};
};

/// What of a file changes when it does, for checkpoint::fingerprint: "m.gguf:4096:1764507600;".
[[nodiscard]] std::string stamp_of(const std::filesystem::path& path);

/// The identity of a source whose files have these names of content, in their order.
[[nodiscard]] std::string identity_of(std::span<const std::string> contents);

/// A file that is written as it is.
struct text_file {
  std::string name;
  std::string content;
};

struct checkpoint {
  std::string description; ///< where it came from: a path
  std::string fingerprint; ///< changes when the source changes; for resuming
  std::vector<source_part> parts;
  vindex::model_config config;
  /// By vindex key: "layers.0.self_attn.q_proj.weight".
  std::map<std::string, source_tensor> tensors;
  std::vector<text_file> files;     ///< tokenizer.json and friends
  std::vector<std::string> skipped; ///< tensors that a text model does not need
  std::vector<std::string> notes;   ///< what is taken otherwise than the source says: a line each
  std::shared_ptr<const void> owner;

  /// The tensor of `key` with exactly this shape.
  [[nodiscard]] result<const source_tensor*> find(const std::string& key,
                                                  std::vector<std::uint64_t> shape) const;

  /// 64 hexadecimal digits that tell this source from all others and from itself after a change,
  /// whatever its files are called: of device, inode, size, time and head of every part, or of
  /// the content's name. Empty if it was not read from files.
  [[nodiscard]] std::string identity() const;
};

} // namespace larql::import
