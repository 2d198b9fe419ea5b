// A GGUF of the Hub, or what a role needs of it, into a directory. A whole file is checked by its
// hash and gets its name. Of one that is wanted in part, the head, the vectors, and the needed
// matrices and experts come by their byte ranges into a sparse file among the parts, with a list of
// what it holds beside it (base/held_bytes.hpp); no hash covers those.
//
// Blocking  Downloads; ends soon after http.stop is requested.
// Errors    Name the repository, file, tensor; errc::cancelled if it was stopped. The same pull
//           goes on.
// Source    docs/hub.md, "GGUF files".

#pragma once

#include "runtime/hub/pull_options.hpp"
#include "runtime/hub/pull_plan.hpp"
#include "runtime/hub/pull_state.hpp"
#include "runtime/hub/repo.hpp"
#include "runtime/import/source_bytes.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace larql::hub {

struct pulled_gguf {
  std::vector<std::filesystem::path> files; ///< parts of a split one, in order
  std::vector<std::string> contents;        ///< the hashes that name them
  std::optional<vindex::presence> here;     ///< of a file that is not whole: what it holds
  pull_outcome outcome;
  std::optional<pull_lock> lock; ///< while it is held, nobody changes the files
};

[[nodiscard]] result<pulled_gguf> pull_gguf(const model_address& from, const pull_request& request,
                                            const std::filesystem::path& to,
                                            const pull_options& options);

/// What a request means for a model that is used from its files.
[[nodiscard]] result<import::source_needs> needs_of(const pull_request& request,
                                                    const vindex::model_config& model);

} // namespace larql::hub
