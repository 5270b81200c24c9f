using System.Diagnostics;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;

namespace Cdp.Tests.Processing;

/// <summary>Three workers, and at each storage call chance decides whose turn it is.</summary>
internal static class RandomSchedule
{
    // Far more than any story needs: beyond it messages wait for each other in a circle.
    private const int MostDeliveries = 2_000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>Works the queues off. Every storage call waits until it is drawn.</summary>
    /// <param name="unmerges">So many times at most somebody asks, in between, for an unmerge of a merge that stands.</param>
    public static async Task RunAsync(World world, Random random, int unmerges = 0)
    {
        var gate = new Lock();
        var waiting = new List<(string Worker, TaskCompletionSource Turn)>();
        var working = new HashSet<string>(StringComparer.Ordinal);
        var deliveries = 0;
        world.Store.Before = async _ =>
        {
            if (Worker.Current is not { } name)
                return;
            var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (gate)
                waiting.Add((name, turn));
            await turn.Task;
        };

        async Task WorkAsync(Worker worker)
        {
            try
            {
                while (world.Next() is { } message)
                {
                    Assert.True(Interlocked.Increment(ref deliveries) < MostDeliveries, "the workers go round in circles");
                    try
                    {
                        await worker.ProcessAsync(message);
                        world.Store.Delete(message);
                    }
                    catch (Exception error) when (error is ConflictException or AggregateException)
                    {
                        Assert.True(message.DequeueCount < 20, $"poisoned: {message.Body}: {error}");
                        world.Store.Release(message);
                    }
                }
            }
            finally
            {
                lock (gate)
                    working.Remove(worker.Name);
            }
        }

        var workers = Enumerable.Range(0, 3).Select(_ => world.NewWorker()).ToList();
        working.UnionWith(workers.Select(worker => worker.Name));
        var all = Task.WhenAll(workers.Select(worker => Task.Run(() => WorkAsync(worker))));
        for (var since = Stopwatch.GetTimestamp(); !all.IsCompleted;)
        {
            TaskCompletionSource? next = null;
            lock (gate)
            {
                // Nobody's turn comes while another one has not got to its next call: on a busy machine one would stand still and the others go round and round.
                // One that waits for something else than a call is not waited for for ever.
                var ready = waiting.Count > 0 && working.All(name => waiting.Exists(w => w.Worker == name));
                if (ready || (waiting.Count > 0 && Stopwatch.GetElapsedTime(since) > Patience))
                {
                    var drawn = random.Next(waiting.Count);
                    next = waiting[drawn].Turn;
                    waiting.RemoveAt(drawn);
                    since = Stopwatch.GetTimestamp();
                }
            }

            if (next is not null && unmerges > 0 && random.Next(40) == 0 && await RequestUnmergeAsync(world, random))
                unmerges--;
            next?.SetResult();
            await Task.Yield();
        }

        world.Store.Before = null;
        await all;
    }

    private static async Task<bool> RequestUnmergeAsync(World world, Random random)
    {
        var standing = world.Live().SelectMany(p => p.Merges).Where(m => m.State == MergeState.Done).OrderBy(m => m.Id, StringComparer.Ordinal).ToList();
        if (standing.Count == 0)
            return false;
        var merge = standing[random.Next(standing.Count)];
        await world.Store.SendAsync(QueueName.Merges, new UnmergeRequest(merge.Id, merge.Loser).ToJson(), delay: null, CancellationToken.None);
        return true;
    }
}
