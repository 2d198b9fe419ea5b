// A model ready to run on this machine: its numbers, its dense tensors, and what is derived from
// them once.
//
// Owner     Owns the mappings of the dense tensors; experts are elsewhere, experts/expert_port.hpp.
// Threads   Immutable after loading; shared by all sequences.
// Errors    Of a NaN or infinity: the file, the layer, the tensor, and the row or element.

#pragma once

#include "runtime/kernels/linear.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/vindex.hpp"

#include <filesystem>

namespace larql::gemma4 {

struct model {
  std::filesystem::path dir;
  vindex::model_config config;
  vindex::dense_weights weights;

  /// Opens a vindex and checks that its vectors are finite. Matrices are not read: a matrix that is
  /// not finite shows in the products with it (forward.hpp).
  [[nodiscard]] static result<model> load(const std::filesystem::path& dir);

  /// Reads every dense matrix; fails with `corrupt` and the first one that holds a NaN or infinity.
  [[nodiscard]] result<void> check_matrices(const kernels::compute& compute) const;
};

/// Bytes of dense weights that decoding one token reads, output head included.
[[nodiscard]] std::uint64_t dense_bytes_per_token(const vindex::dense_weights& weights);

} // namespace larql::gemma4
