// A small random Gemma 4 model as a GGUF file, with a tokenizer, for tests that start where a user
// starts. The same options give the same file on every machine.
//
// Layers alternate: every third attends to everything, the others to a window. The experts'
// encoding changes from layer to layer, so that every activation format crosses the wire.

#pragma once

#include "runtime/quant/encoding.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace larql::test {

struct tiny_gguf {
  std::uint64_t seed = 1;
  std::string name = "tiny";
  std::uint32_t layers = 6;
  std::uint32_t hidden = 256;
  std::uint32_t heads = 4;
  std::uint32_t kv_heads = 2;  ///< sliding layers; full layers have 1
  std::uint32_t head_dim = 32; ///< sliding layers
  std::uint32_t global_head_dim = 64;
  std::uint32_t window = 8;
  std::uint32_t dense_width = 96;
  std::uint32_t experts = 8;
  std::uint32_t expert_width = 64;
  std::uint32_t top_k = 3;
  std::uint32_t vocab = 512; ///< at least 300
  /// Of gate and up, by layer modulo their number; down is Q8_0, or F32 beside F32.
  std::vector<quant::encoding> expert_encodings = {quant::encoding::q8_0, quant::encoding::q4_k,
                                                   quant::encoding::f32};
  std::vector<quant::encoding> up_encodings = {}; ///< likewise, if up is a tensor of its own
  quant::encoding value_encoding = quant::encoding::q8_0; ///< of attention's V, where there is one
  bool tokenizer = true;

  /// Writes the file.
  void write(const std::filesystem::path& path) const;
};

} // namespace larql::test
