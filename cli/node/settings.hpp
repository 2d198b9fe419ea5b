// What larql-node was told, from flags, environment and cluster file, in that order of precedence.

#pragma once

#include "cli/support/command_parser.hpp"
#include "cli/support/environment.hpp"
#include "runtime/base/result.hpp"
#include "runtime/experts/ownership.hpp"
#include "runtime/topology/topology.hpp"
#include "runtime/vindex/index_json.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace larql::cli {

inline constexpr std::uint16_t default_node_port = 9470;
inline constexpr auto max_sessions = 256u; ///< of laptops, as in the cluster file
/// Where containers mount their volume; used if no setting names a model.
inline constexpr std::string_view default_vindex = "/data/vindex";

/// Flags as they were typed; empty where they were not.
struct node_flags {
  std::string vindex;
  std::string experts;
  std::string layers;
  std::string bind;
  std::optional<std::uint16_t> port;
  std::string name;
  std::optional<unsigned> threads;
  std::filesystem::path topology;
  std::string node;
  topology::tls_files tls;
  std::filesystem::path secret_file;
  bool insecure_bind = false;
  std::string join;
  std::filesystem::path reach;
  std::string available_ram;
  std::string buffer_memory;
  std::string http_bind;
  std::optional<std::uint16_t> http_port;
  std::string hub_repo;
  std::optional<bool> warmup;
  std::optional<bool> mlock;
  std::optional<std::uint32_t> allow_sessions;
  std::string session_memory;
};

struct node_settings {
  std::string vindex;   ///< directory, or hf://OWNER/NAME
  std::string hub_repo; ///< OWNER/NAME to fill the directory `vindex` from; empty: none
  std::optional<experts::index_range> experts; ///< absent: all, or what the coordinator says
  std::optional<experts::index_range> layers;
  std::string bind = "127.0.0.1";
  std::uint16_t port = default_node_port;
  std::string name; ///< empty: the address
  unsigned threads = 0;
  topology::security protect;
  bool insecure_bind = false;
  std::optional<topology::shard_url> join;
  std::optional<topology::cluster> reach;     ///< nodes that this one answers for as well
  std::optional<std::uint64_t> available_ram; ///< bytes offered for experts; with join only
  bool warmup = false;
  bool mlock = false;
  std::uint64_t buffer_bytes = 256'000'000;    ///< calls that wait and answers that are not read
  std::optional<std::uint32_t> allow_sessions; ///< absent: by certificates, or none
  std::optional<std::uint64_t> session_bytes;  ///< for their keys and values
  std::optional<topology::cluster> others;     ///< the other nodes of the cluster file
  std::string http_bind = "127.0.0.1";
  std::optional<std::uint16_t> http_port; ///< absent: no HTTP
};

void add_node_options(command_parser& app, node_flags& flags);

/// `environment` gives the value of a variable, or nothing. Errors name the flag, the variable or
/// file and line.
[[nodiscard]] result<node_settings> merge_settings(const node_flags& flags,
                                                   const environment_fn& environment);

/// The part of the model that the settings name.
[[nodiscard]] result<experts::ownership> owned_by(const node_settings& s,
                                                  const vindex::model_config& model);

} // namespace larql::cli
