using System.Diagnostics;
using Cdp.Tests.Processing;
using Xunit.Abstractions;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>Nobody shares anything with anybody: the profiles are the connected components of what was sent, exactly.</summary>
public sealed class CleanMixTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(10_000, 10_000, 1)]
    [InlineData(2_000, 50, 2)]
    [InlineData(2_000, 10, 3)]
    [InlineData(1_000, 3, 4)]
    public async Task ShuffledRepeatedAndProcessedByManyAtOnce_ProfilesAreTheConnectedComponents(int people, int peopleAtOnce, int seed)
    {
        var started = Stopwatch.GetTimestamp();
        var story = Story.Clean(people, seed);
        var components = new Components(story.Events);
        var world = await World.CreateAsync(seed);
        var crowd = new Crowd(world, seed);

        await crowd.RunAsync(Crowd.Shuffled(story.Events, peopleAtOnce, story.Random));

        var state = new StoredState(world.Store);
        Assert.True(state.Broken(story.Events) is null, $"seed {seed}: {state.Broken(story.Events)}");
        Assert.True(state.Unlisted() is [], $"seed {seed}: nobody lists {string.Join(", ", state.Unlisted())}");
        var byComponent = PairScore.Of([.. story.Events.Select(e => (state.Timelines[e.MessageId], components.Of(e)))]);
        var byPerson = PairScore.Of([.. story.Events.Select(e => (state.Timelines[e.MessageId], e.Person))]);
        output.WriteLine($"{people} people, {story.Events.Count} events, {state.Live.Count()} profiles, {state.Merged} merged, {crowd.Deliveries} deliveries, "
            + $"{crowd.Retries} retries, {world.Store.Calls} storage calls, {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s");
        output.WriteLine($"against the components: {byComponent}; against the people: {byPerson}");
        // Two partitions are equal exactly where no pair is wrongly together and none wrongly apart.
        Assert.True(byComponent == new PairScore(1, 1), $"seed {seed}: {byComponent}");
        Assert.Equal(1, byPerson.Precision);
    }
}
