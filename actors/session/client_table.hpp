// The clients that have requests, and how many rows each has had. A client has a small number, its
// place, while it is known; one that is gone stays known for a while, so that coming back at once
// is no advantage.
//
// Threads   Plain state; one owner.

#pragma once

#include "actors/policy/row_share.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace larql::actors {

class client_table {
public:
  /// Clients that are known although they have no request.
  static constexpr std::size_t most_absent = 1024;

  /// The client has one more request.
  [[nodiscard]] std::uint32_t enter(const std::string& name);
  /// It has one less. @pre entered
  void leave(std::uint32_t place);

  [[nodiscard]] std::uint32_t requests_of(const std::string& name) const;
  /// By place.
  [[nodiscard]] std::span<const rows_had> had() const noexcept { return had_; }
  [[nodiscard]] rows_had& had_by(std::uint32_t place) { return had_[place]; }

private:
  void forget_absent();

  std::unordered_map<std::string, std::uint32_t> places_;
  std::vector<rows_had> had_;
  std::vector<std::uint32_t> requests_; // by place
  std::vector<std::uint32_t> free_;     // places without a client
  std::size_t absent_ = 0;
};

} // namespace larql::actors
