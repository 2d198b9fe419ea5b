// Fuzz target: cluster files, shard maps, addresses and durations, from strangers or with slips of
// the pen.
//
// The first byte chooses: a cluster file as the laptop reads it, or as a node does, a shard map, an
// address, a duration.

#include "runtime/topology/duration.hpp"
#include "runtime/topology/shard_map.hpp"
#include "runtime/topology/topology.hpp"

namespace larql::topology {
namespace {

void check_cluster(std::string_view text, reader who) {
  const auto c = parse_cluster(text, "file", "/nonexistent", who);
  if (!c) {
    LARQL_CHECK(c.error().text.starts_with("file"));
    return;
  }
  LARQL_CHECK(!c->nodes.empty() || c->find.enabled());
  for (const auto& n : c->nodes)
    LARQL_CHECK(!n.name.empty() && n.address.port != 0 && c->find_node(n.name) == &n);
  static_cast<void>(check_against(*c, 4, 8));
  static_cast<void>(parts_of(*c, 4, 8));
}

void check_map(std::string_view text) {
  const auto map = parse_shard_map(text);
  if (!map)
    return;
  LARQL_CHECK(!map->empty());
  LARQL_CHECK(cluster_of(*map).nodes.size() == map->size());
  for (const auto& e : *map)
    LARQL_CHECK(e.experts.first <= e.experts.last);
}

void check_url(std::string_view text) {
  const auto url = parse_url(text);
  if (!url)
    return;
  const auto again = parse_url(to_string(*url));
  LARQL_CHECK(again && *again == *url);
}

void check_duration(std::string_view text) {
  const auto d = parse_duration(text);
  if (!d)
    return;
  const auto again = parse_duration(to_text(*d));
  LARQL_CHECK(again && *again == *d);
}

void run(std::string_view bytes) {
  if (bytes.empty())
    return;
  const auto text = bytes.substr(1);
  switch (static_cast<unsigned char>(bytes[0]) % 5) {
  case 0: return check_cluster(text, reader::laptop);
  case 1: return check_cluster(text, reader::node);
  case 2: return check_map(text);
  case 3: return check_url(text);
  default: return check_duration(text);
  }
}

} // namespace
} // namespace larql::topology

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::topology::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
