using Cdp.Problems;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Segments;

/// <summary>
/// Definitions that are made, changed, deleted and made anew under the same id while events flow and backfills run, by workers of which each has definitions of
/// another age; at each storage call chance decides whose turn it is. In the end every profile is what its timeline says by the definitions that are left.
/// </summary>
public sealed class ChangingDefinitionsTests(ITestOutputHelper output)
{
    private const int Seeds = 40;
    private const int Steps = 25;
    private const int Workers = 3;
    private const int Users = 24;

    private static readonly string[] Ids = ["one", "two", "three"];

    private static readonly string[] Meanings =
    [
        """{"event":"Order Completed"}""",
        """{"event":"Order Completed","count":{"gte":2}}""",
        """{"event":"Order Completed","count":{"gte":2},"within":"10m"}""",
        """{"not":{"event":"Order Completed"}}""",
        """{"event":"$page"}""",
        """{"trait":"plan","eq":"gold"}""",
        """{"event":"Order Completed","sum":{"properties.revenue":{"gte":30}}}""",
        """{"sequence":[{"event":"$page"},{"not":{"event":"Order Completed"}}],"within":"5m"}""",
        """{"all":[{"not":{"segment":"one"}},{"event":"$page"}]}""",
        """{"event":"Never"}""",
    ];

    [Fact]
    public async Task WhateverTheInterleaving_NoProfileIsLeftWrong()
    {
        var (changes, stale, members, errors) = (0, 0, 0, 0);
        for (var seed = 1; seed <= Seeds; seed++)
        {
            try
            {
                var run = new Run(seed);
                await run.RunAsync();
                (changes, stale, members, errors) = (changes + run.Changes, stale + run.Stale, members + run.Members, errors + run.Errors);
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"seed {seed}: {error.Message}", error);
            }
        }

        output.WriteLine($"{Seeds} seeds: {changes} changes of definitions, {stale} of them while a worker had older ones, {members} memberships left, {errors} messages came again");
        Assert.True(changes > Seeds * 3, $"only {changes} changes");
        Assert.True(stale > Seeds, $"only {stale} changes met a worker with older definitions");
        Assert.True(members > Seeds, $"only {members} memberships");
    }

    private sealed class Run(int seed)
    {
        private readonly Random random = new(seed);
        private readonly Lock gate = new();
        private readonly List<TaskCompletionSource> waiting = [];
        private readonly int[] age = new int[Workers];
        private int sent;

        public int Changes { get; private set; }

        public int Stale { get; private set; }

        public int Members { get; private set; }

        public int Errors { get; private set; }

        public async Task RunAsync()
        {
            var world = await SegmentWorld.CreateAsync(seed);
            var workers = Enumerable.Range(0, Workers).Select(_ => world.NewWorker()).ToArray();
            for (var step = 0; step < Steps; step++)
            {
                await StepAsync(world, workers);
                // Between less than the age of cached definitions and more than what a backfill waits for.
                world.Time.Advance(TimeSpan.FromMilliseconds(random.Next(5) == 0 ? 31_000 : random.Next(100, 6_000)));
            }

            world.Store.Before = null;
            await LastAsync(world, workers);
            await SettleAsync(world);
            await world.CheckAsync();
            Assert.Empty(world.Failures());
            Members = world.Rows("s|").Count;
        }

        /// <summary>Each worker does something, at once.</summary>
        private async Task StepAsync(World world, Worker[] workers)
        {
            if (random.Next(3) == 0)
                await ChangeAsync(world);
            for (var i = random.Next(1, 4); i > 0; i--)
                await world.SendAsync(WorldExtensions.Batch([.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => Event())]));
            if (random.Next(3) == 0)
                await workers[random.Next(Workers)].ScheduleAsync();
            world.Store.Before = async _ =>
            {
                if (Worker.Current is null)
                    return;
                var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                lock (gate)
                    waiting.Add(turn);
                await turn.Task;
            };
            // One of them sleeps now and then: it wakes up with the definitions it had.
            var asleep = random.Next(2) == 0 ? random.Next(Workers) : -1;
            var all = Task.WhenAll(workers.Select((worker, i) => i == asleep ? Task.CompletedTask : Task.Run(() => WorkAsync(world, worker, i))));
            for (var idle = 0; !all.IsCompleted;)
            {
                TaskCompletionSource? next = null;
                lock (gate)
                {
                    if (waiting.Count >= Workers || (waiting.Count > 0 && ++idle > 20))
                    {
                        var drawn = random.Next(waiting.Count);
                        next = waiting[drawn];
                        waiting.RemoveAt(drawn);
                        idle = 0;
                    }
                }

                next?.SetResult();
                await Task.Yield();
            }

            world.Store.Before = null;
            await all;
        }

        private async Task WorkAsync(World world, Worker worker, int number)
        {
            for (var i = 0; i < 3 && (world.Next() ?? world.Store.Receive(QueueName.Segments)) is { } message; i++)
            {
                try
                {
                    await worker.ProcessAsync(message);
                    world.Store.Delete(message);
                    age[number] = Changes;
                }
                catch (Exception error) when (error is ConflictException or AggregateException)
                {
                    Errors++;
                    world.Store.Release(message);
                }
            }
        }

        private async Task ChangeAsync(World world)
        {
            var id = Ids[random.Next(Ids.Length)];
            try
            {
                if (random.Next(4) == 0)
                {
                    await world.RemoveAsync(id);
                    // Another one of the same id at once, or later.
                    if (random.Next(2) == 0)
                        return;
                }

                await world.DefineAsync(id, Meanings[random.Next(Meanings.Length)]);
            }
            catch (ProblemException problem) when (problem.Problem.Type == ProblemType.SegmentInUse || problem.Problem.Type == ProblemType.SegmentCycle || problem.Problem.Type == ProblemType.SegmentInvalid)
            {
                // It uses itself, or one that there is not, or is used.
                return;
            }
            finally
            {
                Changes++;
                foreach (var known in age)
                {
                    if (known >= Changes - 1 || known == 0)
                        continue;
                    Stale++;
                    break;
                }
            }
        }

        private string Event()
        {
            var (id, user) = ($"m{++sent}", random.Next(Users));
            return random.Next(4) switch
            {
                0 => $$"""{"type":"page","messageId":"{{id}}","userId":"u{{user}}"}""",
                1 => $$$"""{"type":"identify","messageId":"{{{id}}}","userId":"u{{{user}}}","traits":{"plan":"{{{(random.Next(2) == 0 ? "gold" : "free")}}}"}}""",
                _ => $$$"""{"type":"track","event":"Order Completed","messageId":"{{{id}}}","userId":"u{{{user}}}","properties":{"revenue":{{{random.Next(1, 20)}}}}}""",
            };
        }

        /// <summary>
        /// No change follows that would put it right: the timer comes at once, and workers that have just read the definitions of before make new profiles meanwhile.
        /// </summary>
        private async Task LastAsync(World world, Worker[] workers)
        {
            await world.DrainAsync();
            foreach (var worker in workers)
                await CommitAsync(world, worker);
            await world.DefineAsync("one", $$"""{"event":"Order Completed","count":{"lte":{{random.Next(1, 9)}} },"within":"{{Changes + 1}}d"}""");
            Changes++;
            world.Time.Advance(TimeSpan.FromSeconds(1));
            var fresh = world.NewWorker();
            await fresh.ScheduleAsync();
            // Each that may not begin yet is sent again.
            for (var i = 0; i < 16 && world.Store.Receive(QueueName.Segments) is { } message; i++)
            {
                await fresh.ProcessAsync(message);
                world.Store.Delete(message);
            }

            foreach (var worker in workers)
                await CommitAsync(world, worker);
        }

        private async Task CommitAsync(World world, Worker worker)
        {
            for (var i = 0; i < 3; i++)
            {
                var id = $"m{++sent}";
                await world.SendAsync(WorldExtensions.Batch($$$"""{"type":"track","event":"Order Completed","messageId":"{{{id}}}","userId":"new-{{{id}}}","properties":{"revenue":50}}"""));
                var message = world.Next()!;
                await worker.ProcessAsync(message);
                world.Store.Delete(message);
            }
        }

        /// <summary>Queues and timer until there is nothing to do any more.</summary>
        private static async Task SettleAsync(World world)
        {
            for (var idle = false; !idle;)
            {
                await world.DrainAsync();
                world.Time.Advance(TimeSpan.FromMinutes(2));
                await world.Worker.ScheduleAsync();
                idle = true;
                while (world.Store.Receive(QueueName.Segments) is { } message)
                {
                    idle = false;
                    await world.DeliverAsync(message);
                }
            }
        }
    }
}
