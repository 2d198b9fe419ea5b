// Which models a repository offers, by the names of its files. Pure.
//
// Errors    Name the repository and what was asked for, and list what is there with sizes.

#pragma once

#include "runtime/hub/pull_plan.hpp"
#include "runtime/hub/repo.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace larql::hub {

/// What "hf://OWNER/NAME" means.
enum class repo_kind { vindex, gguf, checkpoint, nothing };
[[nodiscard]] repo_kind kind_of(const snapshot& s);

/// A GGUF file of a text model, or the parts of a split one.
struct gguf_model {
  std::string path; ///< of the first part
  std::vector<remote_file> parts;

  [[nodiscard]] std::uint64_t bytes() const noexcept;
  /// The hashes that name the parts' contents.
  [[nodiscard]] std::vector<std::string> contents() const;
};

/// All of a repository, by path. Without what goes beside a model: projectors, importance matrices.
[[nodiscard]] std::vector<gguf_model> list_gguf(const snapshot& s);

/// The one that an address means: by its file; by the quantisation that its name ends in, upper or
/// lower case, where of "X-Q4_K_M" and "X-UD-Q4_K_M" the first is meant; or the only one.
[[nodiscard]] result<gguf_model> choose_gguf(const snapshot& s, const model_address& address);

} // namespace larql::hub
