// The two programs as the end-to-end tests use them: a model made by `larql extract`, nodes on
// ephemeral ports, and commands whose outcome is checked.
//
// Every test has its own directory and its own nodes, so tests run in any order and at once.

#pragma once

#include "actors/net/socket.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/files.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_gguf.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <memory>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace larql::test {

using words = std::vector<std::string>;
namespace fs = std::filesystem;

/// Whether this process got the port, which it has until it ends: a name that only one process of
/// the machine can bind.
inline bool claim_port(std::uint16_t port) {
  auto address = sockaddr_un{};
  address.sun_family = AF_UNIX;
  const auto name = fmt::format("larql-test-port-{}", port);
  std::copy(name.begin(), name.end(), address.sun_path + 1); // abstract: no file
  const auto size = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  const auto fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 &&
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)) == 0)
    return true;
  ::close(fd);
  return false;
}

/// A port of 127.0.0.1 that stays free for this process; for programs that must keep their port
/// when they start anew. It is below those that Linux gives to "any port" and to outgoing
/// connections (from 32768), of which there are many while other tests run.
inline std::uint16_t free_port() {
  constexpr auto first = 20'000u, count = 12'000u;
  static auto next = static_cast<unsigned>(::getpid()) * 37;
  for (auto tries = 0u; tries < count; ++tries) {
    const auto port = static_cast<std::uint16_t>(first + next++ % count);
    if (claim_port(port) && actors::listen_on({"127.0.0.1", port}))
      return port;
  }
  ADD_FAILURE() << "no port is free";
  return 0;
}

/// The command line of `larql` with these arguments.
inline words larql(const words& arguments) {
  auto out = words{larql_program().string()};
  out.insert(out.end(), arguments.begin(), arguments.end());
  return out;
}
inline words larql_node(const words& arguments) {
  auto out = words{larql_node_program().string()};
  out.insert(out.end(), arguments.begin(), arguments.end());
  return out;
}

/// Where two outputs differ, in few words; empty if they do not.
inline std::string difference(const std::string& a, const std::string& b) {
  if (a == b)
    return {};
  const auto at = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
  return fmt::format("{} and {} bytes, different from byte {}", a.size(), b.size(), at);
}

/// A node that is ready. Two threads and any free port, unless told otherwise.
class node_process {
public:
  node_process(const fs::path& vindex, const words& options,
               const child_process::variables& settings = {})
      : child_(command(vindex, options), settings) {
    ready_ = child_.wait_for_out("\n");
    const auto line = child_.out();
    const auto at = line.find(" ready on ");
    const auto colon = at == std::string::npos ? at : line.find(": ", at + 10);
    if (!ready_ || colon == std::string::npos) {
      ADD_FAILURE() << "the node did not start: " << line << child_.err();
      return;
    }
    address_ = line.substr(at + 10, colon - at - 10);
  }

  [[nodiscard]] child_process& child() noexcept { return child_; }
  [[nodiscard]] pid_t pid() const noexcept { return child_.pid(); }
  /// "127.0.0.1:34567"
  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  [[nodiscard]] std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoi(address_.substr(address_.rfind(':') + 1)));
  }
  /// An entry of --moe-shards.
  [[nodiscard]] std::string owns(const std::string& experts) const {
    return experts + "=caf://" + address_;
  }

private:
  static words command(const fs::path& vindex, const words& options) {
    auto out = larql_node({vindex.string()});
    for (const auto& [name, value] : {std::pair{"--port", "0"}, std::pair{"-t", "2"}})
      if (std::find(options.begin(), options.end(), name) == options.end())
        out.insert(out.end(), {name, value});
    out.insert(out.end(), options.begin(), options.end());
    return out;
  }

  child_process child_;
  bool ready_ = false;
  std::string address_;
};

using node_ptr = std::unique_ptr<node_process>;

/// A test with a model of its own.
class model_test : public testing::Test {
protected:
  explicit model_test(tiny_gguf model = {}) : model_(std::move(model)) {}

  void SetUp() override {
    model_.write(gguf());
    const auto done = run(larql({"extract", gguf().string(), "-o", vindex().string()}));
    ASSERT_EQ(done.code, 0) << done.err;
  }

  [[nodiscard]] fs::path gguf() const { return scratch_ / "tiny.gguf"; }
  [[nodiscard]] fs::path vindex() const { return scratch_ / "tiny.vindex"; }

  [[nodiscard]] node_ptr start_node(const words& options = {},
                                    const child_process::variables& settings = {}) const {
    return std::make_unique<node_process>(vindex(), options, settings);
  }

  /// Nodes with these experts, all layers.
  [[nodiscard]] std::vector<node_ptr> start_nodes(const words& ranges) const {
    auto out = std::vector<node_ptr>{};
    for (const auto& r : ranges)
      out.push_back(start_node({"--experts", r}));
    return out;
  }
  static std::string shard_map(const std::vector<node_ptr>& nodes, const words& ranges) {
    auto out = std::string{};
    for (auto i = std::size_t{0}; i < nodes.size(); ++i)
      out.append(i == 0 ? "" : ",").append(nodes[i]->owns(ranges[i]));
    return out;
  }

  /// Longer than the sliding window, so that every kind of attention is used.
  static constexpr auto prompt_ids = "2 270 11 301 44 509 263 77 262 418 33 260 261 5 499 310 288";

  /// The raw logits of the prompt; empty if the command failed.
  [[nodiscard]] std::string logits(const words& options = {},
                                   const child_process::variables& settings = {}) {
    const auto file = scratch_ / fmt::format("logits-{}", ++files_);
    auto command = larql({"logits", vindex().string(), "--ids", prompt_ids, "-o", file.string()});
    command.insert(command.end(), options.begin(), options.end());
    const auto done = run(command, settings);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.code == 0 ? read_file(file) : std::string{};
  }

  /// The outcome of `larql run` with raw text, of 64 tokens unless told otherwise: this model has
  /// no reason to end its answer.
  [[nodiscard]] finished generate(const words& options = {}) const {
    auto command = larql({"run", vindex().string(), "abc"});
    if (std::find(options.begin(), options.end(), "-n") == options.end())
      command.insert(command.end(), {"-n", "64"});
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  }

  temporary_directory scratch_;
  tiny_gguf model_;

private:
  int files_ = 0;
};

} // namespace larql::test
