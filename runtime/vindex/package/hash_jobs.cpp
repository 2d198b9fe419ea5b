#include "runtime/vindex/package/hash_jobs.hpp"

#include <atomic>
#include <mutex>

namespace larql::vindex {

namespace {

result<sha256_digest> hash_one(const hash_job& job, const hash_progress& on_progress) {
  LARQL_TRY(const auto in, file::open(job.path));
  return job.ranges.empty() ? hash_file(in, on_progress) : hash_ranges(in, job.ranges, on_progress);
}

} // namespace

std::vector<result<sha256_digest>> hash_all(const std::vector<hash_job>& jobs, compute_pool& pool,
                                            const jobs_progress& on_progress) {
  auto out = std::vector<result<sha256_digest>>(jobs.size(), fail(errc::cancelled, "stopped"));
  auto reporting = std::mutex{};
  auto stopped = std::atomic<bool>{false};
  pool.parallel_for(jobs.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (auto i = begin; i < end && !stopped.load(); ++i)
      out[i] = hash_one(jobs[i], [&](std::uint64_t bytes) {
        const auto lock = std::lock_guard{reporting};
        if (!stopped.load() && on_progress && !on_progress(bytes, jobs[i].path))
          stopped.store(true);
        return !stopped.load();
      });
  });
  return out;
}

} // namespace larql::vindex
