// Which node computes which expert of a layer, where several own it.
//
// Each expert goes to the owner that would be finished with it first, given what that owner has
// been given already: one node alone while that is fastest, several where their time together is
// shorter. Nodes to be avoided are used only for experts without another owner.
//
// Numerics  The same input gives the same choice.
// Memory    A node_choice keeps nothing but its scratch.

#pragma once

#include "runtime/experts/ownership.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace larql::actors {

/// An expert that some rows chose.
struct expert_demand {
  std::uint32_t expert = 0;
  std::uint32_t rows = 0;
};

/// A node as the choice sees it. Times in microseconds.
struct node_offer {
  experts::ownership owned;
  float busy_us = 0;     ///< of calls in flight
  float overhead_us = 0; ///< of one more call
  float unit_us = 0;     ///< per expert and per row
  bool avoid = false;
};

class node_choice {
public:
  /// For each demand the index of a node, or -1 where no node owns the expert. Valid until the next
  /// call.
  [[nodiscard]] std::span<const int> choose(std::uint32_t layer,
                                            std::span<const expert_demand> demands,
                                            std::span<const node_offer> nodes);

private:
  std::vector<int> chosen_;
  std::vector<float> given_us_; // by node: time of this layer's experts; 0: none was given yet
  std::vector<std::size_t> order_;
};

} // namespace larql::actors
