// A model as its publisher ships it, whatever the container: numbers, tensors by the vindex's
// names, and the text files that travel along.
//
// Shapes    Outermost dimension first: [out][in], experts [experts][out][in].
// Owner     checkpoint keeps the mapped files alive that tensors point into. They must be shared
//           file mappings: extract() gives converted pages back to the kernel, which reads them
//           again from the file but would clear ordinary memory.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/quant/encoding.hpp"
#include "runtime/vindex/index_json.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace larql::import {

struct source_tensor {
  std::string name; ///< in the source, for messages
  quant::encoding format = quant::encoding::f32;
  bool ggml_q6k = false; ///< Q6_K in ggml's element order; repacked on the way out
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> data;

  [[nodiscard]] std::uint64_t rows() const; ///< product of all dimensions but the last
  [[nodiscard]] std::uint64_t cols() const { return shape.back(); }
};

/// A file that is written as it is.
struct text_file {
  std::string name;
  std::string content;
};

struct checkpoint {
  std::string description; ///< where it came from: a path
  std::string fingerprint; ///< changes when the source changes; for resuming
  vindex::model_config config;
  /// By vindex key: "layers.0.self_attn.q_proj.weight".
  std::map<std::string, source_tensor> tensors;
  std::vector<text_file> files;     ///< tokenizer.json and friends
  std::vector<std::string> skipped; ///< tensors that a text model does not need
  std::shared_ptr<const void> owner;

  /// The tensor of `key` with exactly this shape.
  [[nodiscard]] result<const source_tensor*> find(const std::string& key,
                                                  std::vector<std::uint64_t> shape) const;
};

} // namespace larql::import
