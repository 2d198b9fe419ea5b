// A real process under test: started, watched, stopped, and gone when the test ends.
//
// Both outputs are read all the time, so a child never blocks on a full pipe; of one that writes
// without end, the first most_output_bytes are kept. Every wait has a deadline; a wait that fails
// returns false or nothing and the test says what it missed.
//
// Owner     The child is killed and reaped by the destructor, and by the kernel should the test
//           program itself die.
// Threads   One reader thread per child; all functions are for one caller.

#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

namespace larql::test {

/// How long anything may take that is expected to happen: generous, because machines are busy and
/// sanitizers slow.
inline constexpr auto test_timeout = std::chrono::seconds{30};

/// What is kept of each output.
inline constexpr std::size_t most_output_bytes = 64 << 20;

/// How a process ended.
struct exit_status {
  int code = -1;  ///< of exit(), or -1
  int signal = 0; ///< that killed it, or 0

  friend bool operator==(const exit_status&, const exit_status&) = default;
};

/// What a child reads: nothing, or what write() gives it.
enum class child_input { none, pipe };

/// Where a child's output goes: to this process, or nowhere for one of three reasons.
enum class child_output {
  read,
  closed,      ///< the descriptor is free
  full,        ///< /dev/full: no space is left
  broken_pipe, ///< a pipe that nobody reads
};
struct child_outputs {
  child_output out = child_output::read;
  child_output err = child_output::read;
};

class child_process {
public:
  using variables = std::map<std::string, std::string>;

  /// Starts `command[0]` with the rest as arguments; `extra` adds to the environment.
  explicit child_process(const std::vector<std::string>& command, const variables& extra = {},
                         child_input input = child_input::none, child_outputs outputs = {});
  ~child_process();
  child_process(child_process&& other) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  /// What the child wrote so far.
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;

  /// Waits until stdout, or stderr, holds `text`. False at the deadline or when the output ended.
  [[nodiscard]] bool wait_for_out(const std::string& text) const;
  [[nodiscard]] bool wait_for_err(const std::string& text) const;

  /// Waits for the end of the process and of its output; nothing at the deadline.
  [[nodiscard]] std::optional<exit_status> wait(std::chrono::milliseconds limit = test_timeout);

  /// Gives the child input. @pre child_input::pipe
  void write(const std::string& text) const;

  /// The child reads the end of its input. @pre child_input::pipe
  void end_input();

  /// Sends a signal; nothing happens if the child has ended and was waited for.
  void signal(int number) const;

private:
  struct output {
    int fd = -1;
    std::string text;
  };

  void read_outputs();
  [[nodiscard]] bool wait_for(const output& s, const std::string& text) const;

  pid_t pid_ = -1;
  int in_ = -1;
  int pidfd_ = -1;
  std::optional<exit_status> ended_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  output out_;
  output err_;
  std::thread reader_;
};

/// What a program that ends by itself did.
struct finished {
  int code = -1; ///< of exit(); -1 if it was killed or did not end in time
  std::string out;
  std::string err;
};
[[nodiscard]] finished run(const std::vector<std::string>& command,
                           const child_process::variables& extra = {}, child_outputs outputs = {});

} // namespace larql::test
