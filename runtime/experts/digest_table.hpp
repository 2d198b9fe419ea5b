// The digests of a vindex's experts where nobody has computed them yet: of a GGUF that is used from
// where it lies, they are found out in the background.
//
// They are those that extract would write (docs/vindex-format.md, "checksums.json"): of the numbers
// in a vindex's encoding and order, wherever they lie.
//
// Blocking  Reads the experts once.
// Threads   Several processes may add to one vindex at once.
// Errors    Name the file. A stopped one is errc::cancelled; what was found out by then is kept.

#pragma once

#include "runtime/vindex/checksums.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>

namespace larql::experts {

/// Bytes of experts read and to be read; false stops.
using digests_progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

/// Adds the missing digests of these experts to checksums.json, layer by layer. Returns what it
/// then says. A vindex without checksums.json stays so: it is of the reference, and nothing of
/// ours.
[[nodiscard]] result<vindex::checksums> add_digests(const std::filesystem::path& dir,
                                                    const vindex::model_config& model,
                                                    const vindex::expert_block& of,
                                                    const digests_progress& on_progress);

} // namespace larql::experts
