using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

public sealed class R01SharedDeviceTests
{
    private const string Login = """{"type":"identify","messageId":"i2","userId":"u2","anonymousId":"a1","traits":{"email":"two@mail.test"},"timestamp":"2026-03-01T00:00:02Z"}""";
    private const string Page = """{"type":"page","messageId":"p2","userId":"u2","anonymousId":"a1","timestamp":"2026-03-01T00:00:03Z"}""";
    private const string ByMail = """{"type":"identify","messageId":"n2","traits":{"email":"two@mail.test"},"timestamp":"2026-03-01T00:00:04Z"}""";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SecondPersonLogsInOnADevice_HerEmailIsHers(bool inOneBatch)
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"identify","messageId":"i1","userId":"u1","anonymousId":"a1","timestamp":"2026-03-01T00:00:01Z"}""");
        if (inOneBatch)
        {
            await world.SettleAsync(Login, Page);
        }
        else
        {
            await world.SettleAsync(Login);
            await world.SettleAsync(Page);
        }

        await world.SettleAsync(ByMail);

        var second = Assert.Single(world.Owners("user_id", "u2"));
        Assert.Equal([second.Id], world.Owners("email", "two@mail.test").Select(p => p.Id));
        Assert.Equal(3, second.EventCount);
    }

    [Fact]
    public async Task FirstPersonsProfileHasNoDocumentYet_AnotherWorkerDoesNotGiveHerIdentifiersAway()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"identify","messageId":"i1","userId":"u1","anonymousId":"a1","timestamp":"2026-03-01T00:00:01Z"}""");
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"i2","userId":"u2","traits":{"email":"two@mail.test"},"timestamp":"2026-03-01T00:00:02Z"}"""));
        await world.SendAsync(WorldExtensions.Batch(Page));
        var first = world.Next()!;
        var second = world.Next()!;
        var (a, b) = (world.NewWorker(), world.NewWorker());
        var interrupted = false;
        world.Store.Before = async call =>
        {
            // All identifiers are claimed; the document is about to be written.
            if (interrupted || Worker.Current != a.Name || call.Operation != Storage.StoreOperation.Commit || call.Place != "Profiles")
                return;
            interrupted = true;
            await b.ProcessAsync(second);
        };
        await a.ProcessAsync(first);
        world.Store.Before = null;
        world.Store.Delete(first);
        world.Store.Delete(second);
        await world.DrainAsync();
        await world.SettleAsync(ByMail);

        Assert.True(interrupted);
        var owner = Assert.Single(world.Owners("user_id", "u2"));
        Assert.Equal([owner.Id], world.Owners("email", "two@mail.test").Select(p => p.Id));
    }
}
