// Small random drafters for a model, in the containers that they are published in, and in a vindex.
//
// Owner     A value. The same options give the same bytes on every machine.

#pragma once

#include "runtime/import/add_drafter.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/safetensors_writer.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace larql::test {

struct drafter_options {
  std::uint32_t hidden = 64;
  std::uint32_t dense_width = 96;
  std::uint32_t q_heads = 4;
  std::vector<bool> sliding = {true, true, false};
  quant::encoding matrices = quant::encoding::f32; ///< Q8_0 where it does not fit a width
  bool layer_scalar = true;
  float confidence = 1; ///< of its head: about the deviation of logits
  std::uint64_t seed = 1;
};

class tiny_drafter {
public:
  /// For a model with these numbers.
  explicit tiny_drafter(const vindex::model_config& target, const drafter_options& o = {});

  struct tensor {
    std::string key;
    quant::encoding format = quant::encoding::f32;
    std::vector<std::uint64_t> shape;
    std::vector<std::byte> data;
  };
  [[nodiscard]] const vindex::drafter_config& config() const noexcept { return config_; }
  [[nodiscard]] const std::vector<tensor>& tensors() const noexcept { return tensors_; }

  /// As llama.cpp stores it.
  [[nodiscard]] gguf_writer gguf() const;
  /// config.json and model.safetensors. @pre all tensors are plain numbers
  void write_hf(const std::filesystem::path& dir) const;
  /// Puts it into the vindex of its model. Failing ends the test program.
  void add_to(const std::filesystem::path& vindex,
              vindex::quant_kind quant = vindex::quant_kind::lossless) const;

private:
  vindex::drafter_config config_;
  std::vector<tensor> tensors_;
};

} // namespace larql::test
