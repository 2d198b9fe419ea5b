#include "tests/support/traced_child.hpp"

#include <cerrno>
#include <csignal>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace larql::test {

#if defined(__x86_64__)

namespace {

std::optional<traced_end> follow(pid_t child, const traced_options& options) {
  auto status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
    return std::nullopt; // it could not be traced and has ended
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  auto calls = 0u;
  auto enters = true; // stops come in pairs: before a call and after it
  auto refuses = false;
  for (;;) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    if (::waitpid(child, &status, 0) != child)
      return std::nullopt;
    if (WIFSIGNALED(status))
      return traced_end::killed;
    if (WIFEXITED(status))
      return WEXITSTATUS(status) == 0 ? traced_end::succeeded : traced_end::failed;
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
      continue;
    auto registers = user_regs_struct{};
    ::ptrace(PTRACE_GETREGS, child, nullptr, &registers);
    const auto number = static_cast<long>(registers.orig_rax);
    if (enters && options.kill_before && calls++ == *options.kill_before)
      ::kill(child, SIGKILL);
    else if (enters) {
      options.on_call(number);
      refuses = options.refused == number;
      if (refuses) {
        registers.orig_rax = static_cast<unsigned long long>(-1); // no such call: none is made
        ::ptrace(PTRACE_SETREGS, child, nullptr, &registers);
      }
    } else if (refuses) {
      registers.rax = static_cast<unsigned long long>(-EINVAL);
      ::ptrace(PTRACE_SETREGS, child, nullptr, &registers);
    }
    enters = !enters;
  }
}

} // namespace

std::optional<traced_end> run_traced(const std::function<bool()>& part,
                                     const traced_options& options) {
  const auto child = ::fork();
  if (child < 0)
    return std::nullopt;
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0)
      ::_exit(2);
    ::raise(SIGSTOP);
    ::_exit(part() ? 0 : 1);
  }
  return follow(child, options);
}

#else

std::optional<traced_end> run_traced(const std::function<bool()>&, const traced_options&) {
  return std::nullopt;
}

#endif

} // namespace larql::test
