// What `larql inspect` found, as text and as JSON. Field names of the JSON are stable.

#pragma once

#include "runtime/hub/pull_state.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/presence.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace larql::cli {

/// A file of the vindex, and what stands in it.
struct inspected_part {
  std::string name;                          ///< for people: "attention"
  std::string file;                          ///< relative to the vindex; empty: none of its own
  std::optional<std::uint64_t> bytes;        ///< none: absent
  std::map<std::string, unsigned> encodings; ///< matrices by encoding; empty: not known
  std::string note;                          ///< in the place of a file
};

/// The files of experts.
struct inspected_bank {
  std::uint64_t bytes = 0;            ///< without holes
  std::vector<std::uint32_t> layers;  ///< that have a file
  std::vector<std::uint32_t> missing; ///< that should have one
  std::uint32_t least_held = 0;       ///< experts that a layer holds, of all layers with files
  std::uint32_t most_held = 0;
  std::uint64_t least_bytes = 0; ///< of one expert
  std::uint64_t most_bytes = 0;
  std::map<std::string, unsigned> formats; ///< layers by their encodings
};

/// A file outside the vindex in which matrices of it lie.
struct inspected_place {
  std::string path;
  std::uint64_t bytes = 0; ///< of the file
};

struct inspection {
  vindex::model_config model;
  std::vector<inspected_place> places;
  std::optional<hub::pull_state> repository; ///< that it was pulled from
  vindex::presence here;
  std::optional<std::string> digest; ///< of the experts; empty: checksums of files only; none: none
  std::vector<inspected_part> parts; ///< with weights
  inspected_bank bank;
  std::vector<inspected_part> texts;
};

[[nodiscard]] std::string text_of(const inspection& i);
[[nodiscard]] std::string json_of(const inspection& i);

} // namespace larql::cli
