// Which nodes were there, and what has happened to them: a look at the nodes of now makes events of
// what differs from the look before. A node that has gone without a trace is remembered for a
// while.
//
// Owner     A value.
// Threads   One.

#pragma once

#include "cli/serve/page/cluster_picture.hpp"

#include <map>
#include <string>
#include <vector>

namespace larql::serve {

class cluster_history {
public:
  using time = cluster_event::time;

  /// `nodes` are those that are there now, and those that are expected and away. The first look
  /// makes no events.
  void look(std::vector<picture_node> nodes, time now);

  /// Of the last look, with nodes that have gone since: by name.
  [[nodiscard]] const std::vector<picture_node>& nodes() const noexcept { return nodes_; }
  /// The last ones, oldest first.
  [[nodiscard]] const std::vector<cluster_event>& events() const noexcept { return events_; }

private:
  struct known_node {
    picture_node node;
    time seen{};           ///< when it was there, or expected, last
    bool has_gone = false; ///< it was there, and is neither there nor expected any more
  };

  void add_lost(const picture_node& node, std::string why, time now);
  void add(cluster_event event, const picture_node& node, time now);
  void compare(const picture_node* before, const picture_node& node, time now);

  bool has_looked_ = false;
  std::map<std::string, known_node> known_; // by name, or by address where there is none
  std::vector<picture_node> nodes_;
  std::vector<cluster_event> events_;
  std::uint64_t next_number_ = 1;
};

} // namespace larql::serve
