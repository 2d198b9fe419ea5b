#include "runtime/experts/expert_compute.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <atomic>

namespace larql::experts {

namespace {

using kernels::activation_view;

// Bounds the scratch memory of a prefill batch; a wave of this size still reads each expert's
// weights for many rows at once.
constexpr std::size_t max_assignments_per_wave = 2048;

// The part of a view that holds rows [first, first + count).
activation_view slice(activation_view v, std::uint32_t first, std::uint32_t count) {
  v.rows = count;
  if (v.f32 != nullptr)
    v.f32 += std::size_t{first} * v.cols;
  if (v.format != kernels::activation_format::f32) {
    v.q += std::size_t{first} * v.cols;
    v.scale += first * v.scale_stride;
    v.sums += first * v.sum_stride;
  }
  return v;
}

bool stand_together(std::span<const assignment> rows) {
  for (auto i = 1u; i < rows.size(); ++i)
    if (rows[i].row != rows[0].row + i)
      return false;
  return true;
}

} // namespace

result<void> expert_compute::run(std::uint32_t layer, const activation_view& x,
                                 std::span<const assignment> assignments,
                                 std::span<std::int64_t> sums) {
  if (assignments.empty())
    return {};
  const auto inputs = round(bank_.get(layer, assignments.front().expert), x);
  while (!assignments.empty()) {
    auto n = std::min(assignments.size(), max_assignments_per_wave);
    // End a wave between experts, if one ends inside it.
    if (n < assignments.size()) {
      auto cut = n;
      while (cut > 0 && assignments[cut].expert == assignments[cut - 1].expert)
        --cut;
      n = cut > 0 ? cut : n;
    }
    LARQL_TRY_VOID(run_wave(layer, inputs, assignments.first(n), sums));
    assignments = assignments.subspan(n);
  }
  return {};
}

// Where gate and up want different representations, x has the one that is none of theirs, f32.
expert_compute::input_views expert_compute::round(const expert_weights& w,
                                                  const activation_view& x) {
  const auto rounded = [&](const quant::matrix_view& matrix, kernels::activation_rows& rows) {
    const auto format = quant::activation_for(matrix.format);
    if (format == x.format)
      return x;
    rows.reset(format, x.rows, x.cols);
    compute_.pool.parallel_for(x.rows, 4, [&](std::size_t begin, std::size_t end, unsigned) {
      for (auto i = begin; i < end; ++i)
        rows.set_row(compute_.k, static_cast<std::uint32_t>(i), {x.f32 + i * x.cols, x.cols});
    });
    return rows.view();
  };
  return {rounded(w.gate, gate_rows_), rounded(w.up, up_rows_)};
}

result<void> expert_compute::run_wave(std::uint32_t layer, const input_views& x,
                                      std::span<const assignment> assignments,
                                      std::span<std::int64_t> sums) {
  announce(layer, assignments);
  find_groups(layer, assignments);
  find_inputs(x.gate, assignments, &group::gate_inputs, gate_copies_);
  if (x.gate.format == x.up.format)
    for (auto& g : groups_)
      g.up_inputs = g.gate_inputs;
  else
    find_inputs(x.up, assignments, &group::up_inputs, up_copies_);
  if (!compute_hidden(assignments) || !compute_sums(assignments, sums))
    return what_is_wrong(layer);
  return {};
}

// A weight that is not finite makes every product with it so, and these are looked at.
failure expert_compute::what_is_wrong(std::uint32_t layer) const {
  for (const auto& g : groups_)
    if (auto ok = bank_.check(layer, g.expert); !ok)
      return std::move(ok).error();
  return fail(errc::corrupt,
              "layer {}, experts {} to {}: an expert's output is not finite or not below 2^22",
              layer, groups_.front().expert, groups_.back().expert);
}

// The disk works on all experts of a wave that are new at once.
void expert_compute::announce(std::uint32_t layer, std::span<const assignment> assignments) {
  const auto& owned = bank_.owned();
  announced_.resize(std::size_t{owned.layers.count()} * owned.experts.count());
  for (const auto& p : assignments) {
    const auto at = std::size_t{layer - owned.layers.first} * owned.experts.count() + p.expert -
                    owned.experts.first;
    if (announced_[at])
      continue;
    announced_[at] = true;
    bank_.will_need(layer, p.expert);
  }
}

void expert_compute::find_groups(std::uint32_t layer, std::span<const assignment> assignments) {
  groups_.clear();
  for (auto i = 0u; i < assignments.size(); ++i) {
    if (!groups_.empty() && groups_.back().expert == assignments[i].expert)
      ++groups_.back().count;
    else
      groups_.push_back(
          {bank_.get(layer, assignments[i].expert), assignments[i].expert, i, 1, {}, {}});
  }
}

// The kernels want the inputs of an expert one after another. Where they stand so in the batch,
// which a single row always does, they are read there; only the others are copied.
void expert_compute::find_inputs(const activation_view& x, std::span<const assignment> assignments,
                                 activation_view group::*inputs, kernels::activation_rows& copied) {
  auto copies = 0u;
  for (auto& g : groups_) {
    const auto rows = assignments.subspan(g.first, g.count);
    if (stand_together(rows))
      g.*inputs = slice(x, rows.front().row, g.count);
    else
      copies += g.count;
  }
  if (copies == 0)
    return;
  copied.reset(x.format, copies, groups_.front().weights.gate.cols, x.cols);
  const auto all = copied.view();
  auto at = 0u;
  for (auto& g : groups_) {
    if ((g.*inputs).rows != 0)
      continue;
    g.*inputs = slice(all, at, g.count);
    for (const auto& p : assignments.subspan(g.first, g.count))
      copied.copy_row(at++, x, p.row);
  }
}

// Tasks are (expert, block of hidden rows); each writes its block of the hidden rows of its
// assignments.
bool expert_compute::compute_hidden(std::span<const assignment> assignments) {
  const auto width = std::size_t{groups_.front().weights.gate.rows};
  auto most = std::size_t{0};
  for (const auto& g : groups_)
    most = std::max<std::size_t>(most, g.count);
  // With few inputs a task is long, so that it streams from memory: at its ends, memory is waited
  // for and too much is fetched. With many, its outputs stay in the cache.
  const auto output = groups_.front().weights.down.rows / (2 * compute_.pool.threads());
  task_rows_ = most <= 16 ? task_rows{128, std::clamp<std::size_t>(output / 32 * 32, 64, 704)}
                          : task_rows{32, 64};
  const auto blocks = (width + task_rows_.hidden - 1) / task_rows_.hidden;
  hidden_.resize(assignments.size() * width);
  const auto scratch =
      std::max(kernels::gated_scratch(task_rows_.hidden, most), most * task_rows_.output);
  scratch_.resize(scratch * compute_.pool.threads());
  auto finite = std::atomic<bool>{true};
  compute_.pool.parallel_for(
      groups_.size() * blocks, 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
        for (auto task = begin; task < end; ++task) {
          const auto& g = groups_[task / blocks];
          const auto row = task % blocks * task_rows_.hidden;
          const auto end_row = std::min(row + task_rows_.hidden, width);
          if (!kernels::gated_rows(compute_.k, bank_.activation(), g.weights.gate, g.weights.up,
                                   g.gate_inputs, g.up_inputs, row, end_row,
                                   hidden_.data() + g.first * width, width,
                                   scratch_.data() + worker * scratch))
            finite.store(false, std::memory_order_relaxed);
        }
      });
  const auto& down = groups_.front().weights.down;
  rounded_.reset(quant::activation_for(down.format), static_cast<std::uint32_t>(assignments.size()),
                 static_cast<std::uint32_t>(width), down.cols);
  compute_.pool.parallel_for(assignments.size(), 4,
                             [&](std::size_t begin, std::size_t end, unsigned) {
                               for (auto i = begin; i < end; ++i)
                                 rounded_.set_row(compute_.k, static_cast<std::uint32_t>(i),
                                                  {hidden_.data() + i * width, width});
                             });
  return finite.load();
}

// Tasks are blocks of output rows; each runs all experts of the wave, so that only one thread adds
// to a part of the sums.
bool expert_compute::compute_sums(std::span<const assignment> assignments,
                                  std::span<std::int64_t> sums) {
  const auto hidden = std::size_t{groups_.front().weights.down.rows};
  const auto blocks = (hidden + task_rows_.output - 1) / task_rows_.output;
  const auto scratch = scratch_.size() / compute_.pool.threads();
  const auto all = rounded_.view();
  auto in_range = std::atomic<bool>{true};
  compute_.pool.parallel_for(blocks, 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
    auto* y = scratch_.data() + worker * scratch;
    for (auto task = begin; task < end; ++task) {
      const auto row = task * task_rows_.output;
      const auto n = std::min(task_rows_.output, hidden - row);
      for (const auto& g : groups_) {
        const auto& down = g.weights.down;
        compute_.k.matmul[static_cast<std::size_t>(down.format)](
            down, row, row + n, slice(all, g.first, g.count), 0, g.count, y, n);
        for (auto i = 0u; i < g.count; ++i) {
          const auto& p = assignments[g.first + i];
          if (!compute_.k.accumulate_fixed(sums.data() + p.row * hidden + row, y + i * n, p.weight,
                                           n))
            in_range.store(false, std::memory_order_relaxed);
        }
      }
    }
  });
  return in_range.load();
}

} // namespace larql::experts
