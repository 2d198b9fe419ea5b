// A model that lies on this machine, as a directory that every command reads: a vindex is one
// already; a GGUF gets one in the cache that points into it; a checkpoint is made one in the cache,
// once.
//
// Blocking  The first time: reads what has to be stored otherwise, or all of a checkpoint, with a
//           progress line. Ends soon after `stop` is requested.
// Errors    Name what is there and what to do; errc::cancelled if it was stopped, the same command
//           goes on.

#pragma once

#include "runtime/hub/pull_plan.hpp"
#include "runtime/vindex/presence.hpp"

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace larql::cli {

/// The directory of the model, with what the command needs.
[[nodiscard]] result<std::filesystem::path> open_local_model(const std::filesystem::path& model,
                                                             const hub::pull_request& needs,
                                                             const std::stop_token& stop);

/// GGUF files that make one model.
struct gguf_files {
  std::vector<std::filesystem::path> paths;  ///< one, or all parts of a pulled one
  std::vector<std::string> contents = {};    ///< of pulled ones: the hashes that name them
  std::optional<vindex::presence> here = {}; ///< absent: all of it
};

/// The same of GGUF files.
[[nodiscard]] result<std::filesystem::path> open_gguf_files(const gguf_files& files,
                                                            const hub::pull_request& needs,
                                                            const std::stop_token& stop);

/// Whether a command only looks at a model, so that nothing large is made for it.
[[nodiscard]] bool only_looks(const hub::pull_request& needs);

} // namespace larql::cli
