// How much memory this process can still get, as the kernel and its control group say.

#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace larql {

/// Bytes; page cache that can be dropped counts as available. Nothing where the system does not
/// say. `root` stands for "/", for tests.
[[nodiscard]] std::optional<std::uint64_t>
available_memory(const std::filesystem::path& root = "/");

} // namespace larql
