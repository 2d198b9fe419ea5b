// Which bytes of which files of a repository a role needs. Pure: the same inputs give the same
// plan, with or without a network.
//
// A plan is made in three steps, because each tells what the next must ask for: the files about the
// model (index, checksums, slice), then the heads of layer files of which only some experts are
// wanted, then everything.
//
// Errors    Name the repository, what is missing in it, or what was asked for in vain.

#pragma once

#include "runtime/experts/ownership.hpp"
#include "runtime/hub/pull_target.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/presence.hpp"
#include "runtime/vindex/slice_parts.hpp"

#include <map>
#include <set>

namespace larql::hub {

/// What a user or a role asks for.
struct pull_request {
  std::string preset = "all";
  std::optional<std::set<vindex::part>> parts; ///< instead of the preset
  std::optional<experts::index_range> experts; ///< of layer files; absent: all
  std::optional<experts::index_range> layers;  ///< likewise
  /// Of layer files nothing but the heads, which say how large experts are.
  bool heads = false;
  /// The model is to be run: a repository that lacks what running needs is an error before anything
  /// large is fetched.
  bool to_run = false;
};

/// The same once the model is known, together with what the directory holds already.
struct selection {
  std::string preset; ///< empty: several
  std::set<vindex::part> parts;
  std::vector<vindex::expert_block> blocks; ///< experts; none: no layer files
  bool heads = false;
  bool everything = false; ///< also files of no part
  bool to_run = false;     ///< files that running needs must be listed
};

/// A repository as it is at one commit.
struct snapshot {
  std::string name; ///< "hf://owner/name@revision", for messages
  std::string commit;
  std::vector<remote_file> files;

  [[nodiscard]] const remote_file* find(std::string_view path) const;
};

[[nodiscard]] result<selection> select(const pull_request& request,
                                       const vindex::model_config& model);
/// Adds what a directory holds.
void add(selection& to, const vindex::presence& held);

/// Before anything large is fetched: whether the repository lists what is wanted, with the sizes
/// and hashes that checksums.json has. `sums` may be null. Of a whole repository everything is
/// wanted that it has, so only what checksums.json names can be missing, or what running needs.
[[nodiscard]] result<void> check_listing(const snapshot& s, const selection& wanted,
                                         const vindex::checksums* sums);

/// Whether a file may differ from checksums.json, because people edit it on the Hub: README.md.
[[nodiscard]] bool may_be_edited(std::string_view path);

/// The error of two hashes that must be one.
[[nodiscard]] failure disagreement(const snapshot& s, std::string_view path, std::string_view whose,
                                   std::string_view one, std::string_view of_checksums);

/// index.json, and checksums.json and larql_slice.json where there are any.
[[nodiscard]] result<std::vector<planned_file>> plan_meta(const snapshot& s);

/// The heads of layer files that are wanted in part.
[[nodiscard]] result<std::vector<planned_file>>
plan_heads(const snapshot& s, const selection& wanted, const vindex::model_config& model);

using layer_headers = std::map<std::uint32_t, vindex::layer_header>;

/// Everything. `headers` has those of plan_heads().
[[nodiscard]] result<std::vector<planned_file>> plan_all(const snapshot& s, const selection& wanted,
                                                         const vindex::model_config& model,
                                                         const layer_headers& headers);

/// The layer that a file holds; nothing if it is no layer file of this model.
[[nodiscard]] std::optional<std::uint32_t> layer_of(std::string_view path,
                                                    const vindex::model_config& model);

/// The checks of a file whose wanted bytes are here: experts one by one where checksums.json has
/// them, else the whole file; none for a part of a file without checksums. `model` and `sums` may
/// be null, then layer files are checked as whole files only.
[[nodiscard]] result<std::vector<content_check>> checks_of(const planned_file& f, const file& in,
                                                           const vindex::model_config* model,
                                                           const vindex::checksums* sums);

} // namespace larql::hub
