// The last step of a pull: complete and checked files get their real names, and the directory says
// what it holds (larql_slice.json, checksums.json).
//
// index.json comes last: a directory without it is no vindex, so a half-changed one is never
// opened. Killed in between, the next pull finds every file and ends the step.

#pragma once

#include "runtime/hub/pull_plan.hpp"

namespace larql::hub {

struct pulled_vindex {
  const snapshot& from;
  const selection& wanted;
  const vindex::model_config& model;
  const std::optional<vindex::checksums>& sums; ///< of the repository
  const vindex::presence& remote;               ///< what the repository has
};

/// What the directory will hold. Everything, if nothing is left out.
[[nodiscard]] vindex::presence presence_of(const pulled_vindex& v);

/// @pre all `files` are complete and on disk
[[nodiscard]] result<void> commit_vindex(const pull_layout& layout, const pulled_vindex& v,
                                         const std::vector<planned_file>& files);

} // namespace larql::hub
