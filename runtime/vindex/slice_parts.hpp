// The parts a vindex can be cut into, which files belong to each, and the named selections of parts
// (presets) that `larql slice`, `publish` and `pull` share.
//
// Source    docs/vindex-format.md, "Slices": the reference's parts and presets, and two of ours.

#pragma once

#include "runtime/base/result.hpp"

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace larql::vindex {

enum class part {
  index, ///< index.json: in every slice
  embed,
  norms,
  attn,
  gate,
  down_meta,
  ffn,
  expert_layers,
  lm_head,
  router,
  tokenizer, ///< and what else chatting needs: template, generation config
  manifest,
  labels,
  readme,
  drafter, ///< ours
};

[[nodiscard]] std::string_view to_string(part p) noexcept;

/// The part that a file belongs to, by its name relative to the vindex. Nothing for files of no
/// part, and for checksums.json and larql_slice.json, which every slice gets anew.
[[nodiscard]] std::optional<part> part_of(std::string_view file_name);

struct preset {
  std::string_view name;
  std::span<const std::string_view> aliases;
  std::string_view purpose; ///< one line for --help
  std::set<part> parts;     ///< without index
};

/// All presets, in the order to show them.
[[nodiscard]] const std::vector<preset>& presets();

/// Their names.
[[nodiscard]] std::vector<std::string> preset_names();

/// By name or alias; the error lists the names.
[[nodiscard]] result<const preset*> find_preset(std::string_view name);

/// "embed,norms": names of parts with commas between; `what` names the option in errors.
[[nodiscard]] result<std::set<part>> parse_parts(std::string_view text, std::string_view what);

/// "embed,norms"
[[nodiscard]] std::string to_string(const std::set<part>& parts);

} // namespace larql::vindex
