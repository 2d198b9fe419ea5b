#include "tests/support/child_process.hpp"

#include "runtime/base/check.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

extern char** environ;

namespace larql::test {

namespace {

struct pipe_ends {
  int read;
  int write;
};

pipe_ends make_pipe() {
  int fds[2];
  LARQL_CHECK(::pipe2(fds, O_CLOEXEC) == 0);
  return {fds[0], fds[1]};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  auto out = std::vector<char*>{};
  for (auto& t : texts)
    out.push_back(t.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> environment(const child_process::variables& extra) {
  auto out = std::vector<std::string>{};
  for (auto** e = environ; *e != nullptr; ++e) {
    const auto entry = std::string{*e};
    if (!extra.contains(entry.substr(0, entry.find('='))))
      out.push_back(entry);
  }
  for (const auto& [name, value] : extra)
    out.push_back(name + "=" + value);
  return out;
}

// In the child, between fork and exec: system calls only.
void direct_output(int fd, child_output to, int reader) {
  switch (to) {
  case child_output::read: ::dup2(reader, fd); return;
  case child_output::closed: ::close(fd); return;
  case child_output::full: ::dup2(::open("/dev/full", O_WRONLY | O_CLOEXEC), fd); return;
  case child_output::broken_pipe: break;
  }
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0)
    ::_exit(126);
  ::dup2(fds[1], fd);
  ::close(fds[0]);
}

constexpr auto pipe_bytes = std::size_t{65536}; // of Linux

struct available {
  std::string text;
  bool ended = false;
};

// What can be read without waiting, at most as much as a pipe holds.
available read_available(int fd) {
  auto out = available{};
  char buffer[4096];
  while (fd >= 0 && out.text.size() < pipe_bytes) {
    const auto n = ::read(fd, buffer, sizeof buffer);
    if (n > 0) {
      out.text.append(buffer, static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR)
      continue;
    out.ended = n == 0 || errno != EAGAIN;
    break;
  }
  return out;
}

} // namespace

child_process::child_process(const std::vector<std::string>& command, const variables& extra,
                             child_input input, child_outputs outputs) {
  // Everything that allocates comes before fork: other threads may hold locks.
  auto words = command;
  auto settings = environment(extra);
  const auto argv = pointers(words);
  const auto envp = pointers(settings);
  const auto in = make_pipe(), out = make_pipe(), err = make_pipe();
  const auto parent = ::getpid();
  pid_ = ::fork();
  LARQL_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent)
      ::_exit(126);
    ::dup2(input == child_input::pipe ? in.read : ::open("/dev/null", O_RDONLY), STDIN_FILENO);
    direct_output(STDOUT_FILENO, outputs.out, out.write);
    direct_output(STDERR_FILENO, outputs.err, err.write);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(in.read);
  if (input == child_input::pipe)
    in_ = in.write;
  else
    ::close(in.write);
  ::close(out.write);
  ::close(err.write);
  for (const auto fd : {out.read, err.read}) // the child's ends stay as programs expect them
    LARQL_CHECK(::fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  out_.fd = out.read;
  err_.fd = err.read;
  pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)); // glibc 2.36 lacks extern "C" here
  LARQL_CHECK(pidfd_ >= 0);
  reader_ = std::thread{[this] { read_outputs(); }};
}

child_process::~child_process() {
  if (!ended_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  reader_.join();
  if (in_ >= 0)
    ::close(in_);
  ::close(pidfd_);
}

// Whoever sees a line of stdout also sees what was written to stderr before it: stderr is read
// after stdout, until nothing is left, and both become visible together.
void child_process::read_outputs() {
  while (out_.fd >= 0 || err_.fd >= 0) {
    pollfd p[] = {{out_.fd, POLLIN, 0}, {err_.fd, POLLIN, 0}};
    if (::poll(p, 2, -1) < 0)
      continue;
    const auto out = read_available(out_.fd);
    const auto err = read_available(err_.fd);
    const auto lock = std::scoped_lock{mutex_};
    const auto take = [](output& s, const available& a) {
      s.text.append(a.text, 0, most_output_bytes - s.text.size());
      if (a.ended)
        ::close(std::exchange(s.fd, -1));
    };
    take(out_, out);
    take(err_, err);
    changed_.notify_all();
  }
}

std::string child_process::out() const {
  const auto lock = std::scoped_lock{mutex_};
  return out_.text;
}

std::string child_process::err() const {
  const auto lock = std::scoped_lock{mutex_};
  return err_.text;
}

bool child_process::wait_for(const output& s, const std::string& text) const {
  auto lock = std::unique_lock{mutex_};
  const auto found = [&] { return s.text.find(text) != std::string::npos; };
  changed_.wait_for(lock, test_timeout, [&] { return found() || s.fd < 0; });
  return found();
}

bool child_process::wait_for_out(const std::string& text) const {
  return wait_for(out_, text);
}

bool child_process::wait_for_err(const std::string& text) const {
  return wait_for(err_, text);
}

std::optional<exit_status> child_process::wait(std::chrono::milliseconds limit) {
  if (ended_)
    return ended_;
  auto p = pollfd{pidfd_, POLLIN, 0};
  if (::poll(&p, 1, static_cast<int>(limit.count())) != 1)
    return std::nullopt;
  auto how = 0;
  LARQL_CHECK(::waitpid(pid_, &how, 0) == pid_);
  ended_ = WIFEXITED(how) ? exit_status{WEXITSTATUS(how), 0} : exit_status{-1, WTERMSIG(how)};
  auto lock = std::unique_lock{mutex_};
  changed_.wait_for(lock, test_timeout, [this] { return out_.fd < 0 && err_.fd < 0; });
  return ended_;
}

void child_process::write(const std::string& text) const {
  LARQL_CHECK(in_ >= 0);
  for (auto at = std::size_t{0}; at < text.size();) {
    const auto n = ::write(in_, text.data() + at, text.size() - at);
    if (n < 0 && errno != EINTR)
      return; // the child has gone; whoever waits for its answer notices
    at += n > 0 ? static_cast<std::size_t>(n) : 0;
  }
}

void child_process::end_input() {
  LARQL_CHECK(in_ >= 0);
  ::close(std::exchange(in_, -1));
}

void child_process::signal(int number) const {
  if (!ended_)
    ::kill(pid_, number);
}

finished run(const std::vector<std::string>& command, const child_process::variables& extra,
             child_outputs outputs) {
  auto child = child_process{command, extra, child_input::none, outputs};
  const auto ended = child.wait();
  return {ended ? ended->code : -1, child.out(), child.err()};
}

} // namespace larql::test
