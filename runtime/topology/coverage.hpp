// Who owns which experts: gaps, overlaps and replicas of a set of nodes.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/experts/ownership.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace larql::topology {

/// What a node answers for.
struct coverage_part {
  std::string name; ///< for messages
  experts::ownership owned;
};

/// Experts of consecutive layers that have the same owners.
struct coverage_row {
  experts::ownership area;
  std::vector<std::string> owners; ///< in the order of the parts; empty: a gap
};

/// The whole model cut into rows with equal owners, by layer, then by expert. Adjacent layers with
/// the same cuts are joined. Parts that reach beyond the model are cut off.
[[nodiscard]] std::vector<coverage_row> coverage_table(std::span<const coverage_part> parts,
                                                       std::uint32_t layers, std::uint32_t experts);

/// Fails with the first gap: "layer 3: no shard has experts 3, 17-20".
[[nodiscard]] result<void> check_complete(std::span<const coverage_part> parts,
                                          std::uint32_t layers, std::uint32_t experts);

/// The same, and fails as well where two parts own the same expert (the short form of the command
/// line has no replicas).
[[nodiscard]] result<void> check_exactly_once(std::span<const coverage_part> parts,
                                              std::uint32_t layers, std::uint32_t experts);

/// Runs of indices as text: "3, 17-20".
[[nodiscard]] std::string list_of(std::span<const std::uint32_t> ids);

} // namespace larql::topology
