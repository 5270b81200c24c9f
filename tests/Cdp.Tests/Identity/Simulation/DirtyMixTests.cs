using System.Diagnostics;
using Cdp.Tests.Processing;
using Xunit.Abstractions;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>
/// People who share devices and addresses, and values that are nobody's. Arrival order decides who gets what, so no partition is the right one; but
/// the rules hold whatever happens, and what did happen is told by the decisions alone.
/// </summary>
public sealed class DirtyMixTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1_500, 1_500, 1)]
    [InlineData(600, 20, 2)]
    [InlineData(600, 4, 3)]
    public async Task ProcessedByManyAtOnce_RulesHold_AndTheDecisionsTellTheResult(int people, int peopleAtOnce, int seed)
    {
        var started = Stopwatch.GetTimestamp();
        var story = DirtyStory.Tell(people, seed);
        var world = await World.CreateAsync(seed);
        var log = new DecisionLog(world.Store);
        var crowd = new Crowd(world, seed);

        await crowd.RunAsync(Crowd.Shuffled(story.Events, peopleAtOnce, story.Random));

        var state = new StoredState(world.Store);
        Assert.True(state.Broken(story.Events) is null, $"seed {seed}: {state.Broken(story.Events)}");
        AssertUsersAreApart(story, state, seed);
        var decisions = AssertReplayGives(state, log, story, seed);
        output.WriteLine($"{people} people, {story.Events.Count} events, {state.Live.Count()} profiles, {state.Merged} merged, {crowd.Deliveries} deliveries, "
            + $"{crowd.Retries} retries, {world.Store.Calls} storage calls, {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s");
        output.WriteLine("decisions: " + string.Join(", ", decisions.CountBy(d => d.GetType().Name).OrderBy(d => d.Key, StringComparer.Ordinal).Select(d => $"{d.Value} {d.Key}")));
        output.WriteLine($"against the people: {PairScore.Of([.. story.Events.Select(e => (state.Timelines[e.MessageId], e.Person))])}");
    }

    /// <summary>Two people who each log in as themselves never share a profile.</summary>
    private static void AssertUsersAreApart(Story story, StoredState state, int seed)
    {
        var logins = story.Events.Where(e => e.User is { } user && user == Person.UserId($"u{e.Person}"));
        foreach (var profile in logins.GroupBy(e => state.Timelines[e.MessageId]))
        {
            var users = profile.Select(e => e.Person).Distinct().ToList();
            Assert.True(users.Count == 1, $"seed {seed}: {profile.Key} has the logins of {string.Join(" and ", users)}");
        }
    }

    /// <summary>A model that is told the decisions one after the other finds each of them legal and ends with the same profiles.</summary>
    private static List<Decision> AssertReplayGives(StoredState state, DecisionLog log, Story story, int seed)
    {
        var reference = new Reference(story.Events);
        var decisions = log.Read().ToList();
        for (var i = 0; i < decisions.Count; i++)
        {
            try
            {
                reference.Apply(decisions[i]);
            }
            catch (IllegalDecisionException illegal)
            {
                Assert.Fail($"seed {seed}, decision {i}: {illegal.Message}: {decisions[i]}");
            }
        }

        var (expected, actual) = (reference.Describe(), state.Describe());
        Assert.True(expected.Keys.SequenceEqual(actual.Keys), $"seed {seed}: other profiles than by the decisions");
        foreach (var (id, description) in expected)
            Assert.True(description == actual[id], $"seed {seed}: {id} is\n{actual[id]}\nand by the decisions\n{description}");
        return decisions;
    }
}
