using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;

namespace Cdp.Tests.Processing;

/// <summary>A story that stops where something long begins: its message, and events, are in the queues.</summary>
/// <param name="Begin">Sends what is to be disturbed, after <see cref="SetUp"/>.</param>
/// <param name="Waiting">Events sent before the story goes on, whose messages wait behind it. Whenever they come in between, the end is the same.</param>
internal sealed record Saga(string Name, IdentityRules? Rules, Func<World, Task> SetUp, Func<World, Task> Begin, string[] Waiting)
{
    public const string Known = """{"type":"identify","messageId":"u","userId":"u1","traits":{"email":"ann@mail.test","plan":"free","name":"Ann"},"timestamp":"2026-03-01T00:00:01Z"}""";
    public const string Visitor = """{"type":"identify","messageId":"p","anonymousId":"a1","traits":{"theme":"dark","plan":"none"},"timestamp":"2026-03-01T00:00:02Z"}""";
    public const string Login = """{"type":"identify","messageId":"login","anonymousId":"a1","userId":"u1","traits":{"plan":"pro"},"timestamp":"2026-03-01T00:00:03Z"}""";
    public const string OfVisitor = """{"type":"page","messageId":"ofVisitor","anonymousId":"a1","timestamp":"2026-03-01T00:00:04Z"}""";
    public const string OfKnown = """{"type":"track","event":"X","messageId":"ofKnown","userId":"u1","timestamp":"2026-03-01T00:00:05Z"}""";
    public const string OfBoth = """{"type":"track","event":"X","messageId":"ofBoth","userId":"u1","anonymousId":"a1","timestamp":"2026-03-01T00:00:06Z"}""";
    private const string LateOfVisitor = """{"type":"page","messageId":"lateOfVisitor","anonymousId":"a1","timestamp":"2026-03-01T00:00:07Z"}""";
    private const string LateOfKnown = """{"type":"track","event":"X","messageId":"lateOfKnown","userId":"u1","timestamp":"2026-03-01T00:00:08Z"}""";

    /// <summary>Two profiles, and the link between them is shown.</summary>
    public static Saga Merge(bool knownFirst) => new(
        "merge", null, world => TwoAsync(world, knownFirst), LinkAsync, [LateOfVisitor, LateOfKnown, Visitor, Login]);

    /// <summary>Two profiles were merged, had events since, and are parted.</summary>
    public static Saga Unmerge(bool knownFirst) => new(
        "unmerge", null,
        async world =>
        {
            await TwoAsync(world, knownFirst);
            await world.SettleAsync(Login);
            await world.SettleAsync(OfVisitor);
            await world.SettleAsync(OfKnown);
            await world.SettleAsync(OfBoth);
        },
        PartAsync,
        [LateOfVisitor, LateOfKnown, Visitor, Login, OfVisitor, OfBoth]);

    /// <summary>A second person logs in on a known device.</summary>
    public static Saga Detach(SharedIdentifiers shared) => new(
        "detach", new IdentityRules(IdentityRules.Default.Types, shared),
        async world =>
        {
            await world.SettleAsync("""{"type":"identify","messageId":"first","userId":"u1","anonymousId":"a1","traits":{"email":"family@mail.test"},"timestamp":"2026-03-01T00:00:01Z"}""");
            await world.SettleAsync(OfVisitor);
            await world.SettleAsync("""{"type":"identify","messageId":"second","userId":"u2","timestamp":"2026-03-01T00:00:02Z"}""");
        },
        world => world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"shared","userId":"u2","anonymousId":"a1","traits":{"email":"family@mail.test"},"timestamp":"2026-03-01T00:00:03Z"}""")),
        [LateOfKnown, """{"type":"track","event":"X","messageId":"lateOfSecond","userId":"u2","timestamp":"2026-03-01T00:00:09Z"}""", OfVisitor]);

    /// <summary>An e-mail address turns up on one device too many.</summary>
    public static Saga Quarantine() => new(
        "quarantine",
        new IdentityRules([.. IdentityRules.Default.Types.Select(type => type.Name switch
        {
            IdentityRules.AnonymousId => type with { Limit = new IdentifierLimit(1) },
            IdentityRules.Email => type with { QuarantineAfter = 2 },
            _ => type,
        })]),
        async world =>
        {
            foreach (var device in new[] { "a1", "a2" })
                await world.SettleAsync($$$"""{"type":"identify","messageId":"till-{{{device}}}","anonymousId":"{{{device}}}","traits":{"email":"till@mail.test"},"timestamp":"2026-03-01T00:00:01Z"}""");
        },
        world => world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"till-a3","anonymousId":"a3","traits":{"email":"till@mail.test"},"timestamp":"2026-03-01T00:00:03Z"}""")),
        [OfVisitor, """{"type":"identify","messageId":"byMail","traits":{"email":"till@mail.test"},"timestamp":"2026-03-01T00:00:09Z"}"""]);

    public static async Task TwoAsync(World world, bool knownFirst)
    {
        // The one that comes first has the smaller id and wins.
        await world.SettleAsync(knownFirst ? Known : Visitor);
        await world.SettleAsync(knownFirst ? Visitor : Known);
    }

    /// <summary>The message that links the two is processed; the merge it asks for is not.</summary>
    public static async Task LinkAsync(World world)
    {
        await world.SendAsync(WorldExtensions.Batch(Login));
        await world.DeliverAsync(world.Store.Receive(QueueName.Events)!);
    }

    /// <summary>Asks for the unmerge of the one merge that stands.</summary>
    public static Task PartAsync(World world)
    {
        var merged = world.Live().Single(p => Standing(p) is not null);
        return world.RequestUnmergeAsync(merged, Standing(merged)!.Id);
    }

    /// <summary>A world at the point where the disturbance may begin.</summary>
    public async Task<World> StartAsync(int seed)
    {
        var world = await World.CreateAsync(seed, Rules);
        await SetUp(world);
        await Begin(world);
        foreach (var e in Waiting)
            await world.SendAsync(WorldExtensions.Batch(e));
        return world;
    }

    private static MergeRecord? Standing(Profile profile) => profile.Merges.Find(m => m.State == MergeState.Done);
}
