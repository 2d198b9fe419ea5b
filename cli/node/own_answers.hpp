// Before a node serves: do its experts answer as the experts of this model do?

#pragma once

#include "runtime/base/sha256.hpp"
#include "runtime/experts/expert_bank.hpp"
#include "runtime/kernels/linear.hpp"

#include <filesystem>
#include <functional>
#include <optional>

namespace larql::cli {

/// Compares every expert of the bank with the known answers of the vindex. If it has none, returns
/// a digest of what the experts answer instead. Logs what it found. Fails with `corrupt`, naming
/// layer and expert, if one of them answers something else, and with `cancelled` if `go_on` says
/// false.
[[nodiscard]] result<std::optional<sha256_digest>>
compare_own_answers(const std::filesystem::path& dir, const experts::expert_bank& bank,
                    kernels::compute compute, const std::function<bool()>& go_on);

} // namespace larql::cli
