// The last step of making a vindex: the known answers of its experts, with progress.

#pragma once

#include "runtime/kernels/linear.hpp"

#include <filesystem>
#include <functional>
#include <stop_token>

namespace larql::cli {

/// For extract_options and slice_options. What `compute` names outlives the step.
[[nodiscard]] std::function<result<void>(const std::filesystem::path&)>
answer_step(kernels::compute compute, std::stop_token stop);

} // namespace larql::cli
