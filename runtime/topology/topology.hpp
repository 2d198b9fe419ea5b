// A cluster as its operator describes it: the model, the nodes, how they are found, what protects
// the connections, and how long things may take. Read from a TOML file, or made from the short form
// on the command line.
//
// Errors    "file:line: key: what is wrong"; unknown keys, gaps, bad ranges and names that occur
//           twice are errors.
// Source    docs/topology.md lists every key with its default and unit.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/experts/ownership.hpp"
#include "runtime/quant/sum_format.hpp"
#include "runtime/topology/coverage.hpp"
#include "runtime/topology/shard_map.hpp"
#include "runtime/topology/shard_url.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::topology {

using std::chrono::milliseconds;

/// PEM files of one side of the connections; all three or none.
struct tls_files {
  std::filesystem::path ca;
  std::filesystem::path certificate;
  std::filesystem::path key;

  [[nodiscard]] bool any() const noexcept {
    return !ca.empty() || !certificate.empty() || !key.empty();
  }
  friend bool operator==(const tls_files&, const tls_files&) = default;
};

/// How connections are protected: certificates, a secret that every member knows, or not at all.
struct security {
  tls_files files;                   ///< of the laptop
  std::filesystem::path secret_file; ///< instead of certificates
  std::string secret;                ///< or the secret itself, from an environment

  [[nodiscard]] bool enabled() const noexcept {
    return files.any() || !secret_file.empty() || !secret.empty();
  }
};

struct node_entry {
  std::string name; ///< empty in the short form: whatever the node calls itself
  shard_url address;
  std::optional<experts::index_range> experts; ///< absent: all
  std::optional<experts::index_range> layers;  ///< absent: all

  // What the node itself uses.
  std::string vindex;   ///< directory on the node; empty: the cluster's model
  std::string listen;   ///< host:port; empty: the address
  std::string http;     ///< host:port for health and metrics; empty: not answered
  unsigned threads = 0; ///< 0: one per core
  bool warmup = false;
  bool mlock = false;
  std::optional<std::uint32_t> sessions; ///< of laptops that it holds; absent: its own choice
  bool relay = false;                    ///< it also answers for the other nodes of the file
  std::filesystem::path certificate, key;

  std::string where; ///< "file:line" for messages
};

/// Names that stand for many nodes, and nodes that announce themselves.
struct discovery {
  std::vector<shard_url> dns; ///< every A and AAAA record is a node
  milliseconds interval{5000};
  std::optional<shard_url> join; ///< where the laptop listens for announcements

  [[nodiscard]] bool enabled() const noexcept { return !dns.empty() || join.has_value(); }
};

struct deadlines {
  milliseconds connect{5000};       ///< to dial one node and greet it
  milliseconds call_floor{50};      ///< a layer's call is never given less
  milliseconds call_ceiling{10000}; ///< nor more; also what a call gets before anything is measured
  double call_factor = 4;           ///< times the slowest percent measured
  milliseconds failover{30000};     ///< how long an answer waits for experts that no node has
  milliseconds heartbeat{1000};     ///< between signs of life on a quiet connection
  unsigned heartbeat_misses = 5;    ///< as many unanswered: the connection is given up
  milliseconds reconnect_first{100};
  milliseconds reconnect_max{10000};
};

struct hedging {
  bool enabled = false;
  double quantile =
      0.95; ///< a call slower than this share of its like is sent to a replica as well
};

/// What the laptop sends as rows. The answers' bits are the same.
enum class row_encoding : std::uint8_t {
  automatic, ///< rounded on the laptop as the layer's weights want it: 8 bits, f32 for F32 weights
  f32        ///< as they are; the node rounds
};

/// Whether the laptop sends rows to a relay, which asks the owners of what it does not own.
enum class relay_use : std::uint8_t {
  measured, ///< where that was the faster way so far
  never,
  always ///< wherever there is a relay, for tests and measurements
};

struct cluster {
  std::string model; ///< a vindex directory, or hf://...; empty in the short form
  std::vector<node_entry> nodes;
  discovery find;
  security protect;
  deadlines limits;
  hedging hedge;
  row_encoding rows = row_encoding::automatic;
  relay_use relays = relay_use::measured;
  bool complete_rows = true; ///< a relay sends f32 for a row that it has all sums of
  quant::sum_format sums = quant::sum_format::exact; ///< of nodes' answers; else approximate
  std::vector<std::string> sessions_at; ///< nodes where the laptop has its sessions, best first
  unsigned spot_check = 1000;           ///< one call in so many goes to two owners; 0: none
  std::string source;                   ///< the file's name; empty in the short form

  [[nodiscard]] const node_entry* find_node(std::string_view name) const;
};

/// Whose files the reader needs: the laptop's key is not on the nodes.
enum class reader : std::uint8_t { laptop, node };

/// Reads a cluster file. Relative paths in it are relative to its directory.
[[nodiscard]] result<cluster> load_cluster(const std::filesystem::path& path,
                                           reader who = reader::laptop);

/// The same from text; `name` stands for the file in messages, `base` is what paths are relative
/// to.
[[nodiscard]] result<cluster> parse_cluster(std::string_view text, std::string name,
                                            const std::filesystem::path& base,
                                            reader who = reader::laptop);

/// The short form: FIRST-LAST=URL,... with all layers each.
[[nodiscard]] cluster cluster_of(const std::vector<shard_entry>& shards);

/// What the static nodes own of a model of this shape, for coverage tables.
[[nodiscard]] std::vector<coverage_part> parts_of(const cluster& c, std::uint32_t layers,
                                                  std::uint32_t experts);

/// Checks the static nodes against a model: ranges inside it, and no gap unless discovery may fill
/// it. Names file and line. `own`: experts that whoever asks has itself.
[[nodiscard]] result<void> check_against(const cluster& c, std::uint32_t layers,
                                         std::uint32_t expert_count,
                                         const std::optional<experts::ownership>& own = {});

} // namespace larql::topology
