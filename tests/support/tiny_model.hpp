// Small Gemma 4 mixture-of-experts models with random but sane weights, in memory and as a vindex:
// what tests run instead of a real model.
//
//     auto v = tiny_vindex{};                       // defaults, lossless
//     auto q = tiny_vindex{{.dense = encoding::q4_0}};
//     auto t = tiny_vindex{k_quant_options()};      // every width a multiple of 256
//     forward pass over v.path(): tests/support/run_model.hpp
//
// The same options give the same bytes on every machine.
//
// Owner     tiny_model owns the memory of its tensors; tiny_vindex its directory.

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/import/extract.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/temporary_directory.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace larql::test {

struct tiny_options {
  // Shape. The defaults exercise padding and ragged tails: 96 and 160 are no multiples of 256.
  std::uint32_t layers = 3;
  std::uint32_t period = 3; ///< every period-th layer is full attention; 0: none
  std::uint32_t hidden = 256;
  std::uint32_t dense_width = 160;
  std::uint32_t vocab = 128;
  std::uint32_t q_heads = 4, kv_heads = 2, global_kv_heads = 1;
  std::uint32_t head_dim = 32, global_head_dim = 64;
  std::uint32_t window = 8;
  std::uint32_t experts = 8, top_k = 3, expert_width = 96;
  quant::activation_function activation = quant::activation_function::gelu;

  // Encodings. One that does not fit a matrix's width becomes Q8_0, or F32 if that does not either.
  quant::encoding attention = quant::encoding::f32; ///< q and o
  quant::encoding key = quant::encoding::f32;
  quant::encoding value = quant::encoding::f32;
  quant::encoding dense = quant::encoding::f32; ///< gate
  quant::encoding dense_up = quant::encoding::f32;
  quant::encoding dense_down = quant::encoding::f32;
  quant::encoding gate_up = quant::encoding::f32;
  std::optional<quant::encoding> up = {}; ///< another one than gate's; only if not fused
  quant::encoding down = quant::encoding::f32;
  quant::encoding embeddings = quant::encoding::f32;
  quant::encoding head = quant::encoding::f32; ///< if not tied

  bool tied = true;          ///< no output head of its own
  bool own_global_v = false; ///< full layers have a V projection
  bool fused_gate_up = true; ///< one tensor of gate and up, as usual; or one each
  bool per_expert_scale = true;
  bool layer_scalar = true;
  std::uint64_t seed = 1;
};

/// All matrices in one encoding.
[[nodiscard]] tiny_options all_in(quant::encoding e, tiny_options base = {});

/// Widths of 256 everywhere, so that Q4_K, Q5_K and Q6_K fit every matrix.
[[nodiscard]] tiny_options k_quant_options();

/// One model with another encoding in each kind of matrix.
[[nodiscard]] tiny_options mixed_options();

[[nodiscard]] vindex::model_config config_of(const tiny_options& o);

class tiny_model {
public:
  explicit tiny_model(const tiny_options& options);
  tiny_model(tiny_model&&) noexcept = default;
  tiny_model& operator=(tiny_model&&) noexcept = default;

  [[nodiscard]] import::checkpoint& checkpoint() noexcept { return checkpoint_; }
  [[nodiscard]] const import::checkpoint& checkpoint() const noexcept { return checkpoint_; }

  /// A tensor's bytes, to be changed by tests. @pre the key exists
  [[nodiscard]] std::span<std::byte> bytes(const std::string& key);

  /// Adds or replaces a tensor; its bytes are copied.
  void set(const std::string& key, quant::encoding format, std::vector<std::uint64_t> shape,
           std::span<const std::byte> data);
  /// The same from floats, as F32.
  void set(const std::string& key, std::vector<std::uint64_t> shape, std::span<const float> data);

private:
  // Extracting gives pages of the source back (MADV_DONTNEED), which would clear ordinary memory;
  // so tensors lie in a shared mapping of a file without a name.
  class arena;

  std::shared_ptr<arena> arena_;
  import::checkpoint checkpoint_;
};

/// Writes a checkpoint as a vindex. Failing ends the test program.
void extract_to(const import::checkpoint& source, const std::filesystem::path& destination,
                vindex::quant_kind quant = vindex::quant_kind::lossless);

/// A tiny model as a vindex in a temporary directory.
class tiny_vindex {
public:
  tiny_vindex() : tiny_vindex(tiny_options{}) {}
  explicit tiny_vindex(const tiny_options& options,
                       vindex::quant_kind quant = vindex::quant_kind::lossless);
  explicit tiny_vindex(const tiny_model& model,
                       vindex::quant_kind quant = vindex::quant_kind::lossless);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }
  [[nodiscard]] const vindex::model_config& config() const noexcept { return config_; }

private:
  temporary_directory dir_;
  std::filesystem::path path_;
  vindex::model_config config_;
};

} // namespace larql::test
