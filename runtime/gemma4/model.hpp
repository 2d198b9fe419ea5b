// A model ready to run on this machine: its numbers, its dense tensors, and what is derived from
// them once.
//
// Owner     Owns the mappings of the dense tensors. Experts are elsewhere
// (experts/expert_port.hpp). Threads   Immutable after loading; shared by all sequences.

#pragma once

#include "runtime/kernels/products.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/vindex.hpp"

#include <filesystem>

namespace larql::gemma4 {

struct model {
  vindex::model_config config;
  vindex::dense_weights weights;

  /// Opens a vindex and checks that every dense number that will be used is finite.
  [[nodiscard]] static result<model> load(const std::filesystem::path& dir,
                                          const kernels::compute& compute);
};

} // namespace larql::gemma4
