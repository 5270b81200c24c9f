using System.Text.Json;
using Cdp.Identity;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>What people do, as the events their clients send. The same seed tells the same story.</summary>
internal sealed class Story
{
    private static readonly DateTimeOffset Start = new(2026, 2, 1, 0, 0, 0, TimeSpan.Zero);
    private const int Hours = 28 * 24;

    private readonly List<SimulatedEvent> events = [];

    public Story(int seed) => Random = new Random(seed);

    public Random Random { get; }

    public IReadOnlyList<SimulatedEvent> Events => events;

    /// <summary>People who share nothing: whatever order their events come in, the profiles are the connected components.</summary>
    public static Story Clean(int people, int seed)
    {
        var story = new Story(seed);
        for (var number = 0; number < people; number++)
        {
            var person = Person.Draw(number, story.Random);
            for (var sessions = story.Random.Next(4, 10); sessions > 0; sessions--)
                story.Session(person);
        }

        return story;
    }

    public void Session(Person person)
    {
        var kind = Random.Next(10);
        var device = person.AnyDevice(Random);
        var email = person.AnyEmail(Random);
        if (kind < 3 && person.User is { } user)
            Login(person, user, device, email, person.Phone);
        else if (kind < 5 && email is not null)
            NewsletterSignUp(person, email, Random.Next(2) == 0 ? device : null);
        else if (kind == 5 && person.User is { } customer)
            ServerOrder(person, customer);
        else if (kind == 6 && (email is not null || person.Phone is not null))
            TillReceipt(person, email, person.Phone);
        else if (kind == 7 && person.User is { } owner)
            Alias(person, owner, device);
        else
            Browse(person, device);
    }

    /// <summary>Anonymous pages.</summary>
    public void Browse(Person person, string device)
    {
        for (var pages = Random.Next(1, 4); pages > 0; pages--)
            Add(person, "page", anonymousId: device);
    }

    public void NewsletterSignUp(Person person, string email, string? device) =>
        Add(person, "identify", anonymousId: device, email: email);

    /// <summary>A login, then what is done while logged in.</summary>
    public void Login(Person person, string user, string device, string? email = null, string? phone = null)
    {
        Add(person, "identify", user, device, Random.Next(2) == 0 ? email : null, Random.Next(3) == 0 ? phone : null, plan: true);
        for (var views = Random.Next(3); views > 0; views--)
            Add(person, "track", user, device);
    }

    public void ServerOrder(Person person, string user) => Add(person, "track", user);

    /// <summary>A till or a mailer knows neither user nor device.</summary>
    public void TillReceipt(Person person, string? email, string? phone) => Add(person, "identify", email: email, phone: phone);

    /// <param name="previous">Where nobody has it as a user id it is a device.</param>
    public void Alias(Person person, string user, string previous) => Add(person, "alias", user, previousId: previous);

    /// <summary>An event with members that identify nobody, which real clients send; <paramref name="usable"/> is what remains.</summary>
    public void Placeholder(Person person, Identifier usable, string? userId, string? anonymousId, string? email) =>
        Write(person, "identify", [usable], userId, anonymousId, previousId: null, email, phone: null, plan: true);

    private void Add(
        Person person, string type, string? userId = null, string? anonymousId = null, string? email = null, string? phone = null, string? previousId = null, bool plan = false)
    {
        var identifiers = new List<Identifier>();
        if (userId is not null)
            identifiers.Add(Person.UserId(userId));
        if (email is not null)
            identifiers.Add(Person.Email(email));
        if (phone is not null)
            identifiers.Add(Person.PhoneNumber(phone));
        if ((anonymousId ?? previousId) is { } device)
            identifiers.Add(Person.Device(device));
        Write(person, type, identifiers, userId, anonymousId, previousId, Spelled(email), SpelledPhone(phone), plan);
    }

    private void Write(
        Person person, string type, IReadOnlyList<Identifier> identifiers, string? userId, string? anonymousId, string? previousId, string? email, string? phone, bool plan)
    {
        var messageId = $"m{events.Count}";
        var json = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["type"] = type,
            ["messageId"] = messageId,
            // Full hours, so that some things happen at the same time.
            ["timestamp"] = Start.AddHours(Random.Next(Hours)).ToString("O"),
        };
        Set(json, "userId", userId);
        Set(json, "anonymousId", anonymousId);
        Set(json, "previousId", previousId);
        if (type == "track")
            json["event"] = "Product Viewed";
        if (type == "identify")
        {
            var traits = new Dictionary<string, object>(StringComparer.Ordinal);
            Set(traits, "email", email);
            Set(traits, "phone", phone);
            if (plan)
                traits["plan"] = Random.Next(5);
            if (Random.Next(4) == 0)
                traits[$"answer{Random.Next(3)}"] = Random.Next(2) == 0 ? "yes" : "no";
            json["traits"] = traits;
        }

        events.Add(new SimulatedEvent(messageId, person.Number, identifiers, JsonSerializer.Serialize(json)));
    }

    private static void Set(Dictionary<string, object> json, string name, string? value)
    {
        if (value is not null)
            json[name] = value;
    }

    // People type.
    private string? Spelled(string? email) => email is not null && Random.Next(3) == 0 ? $" {email.ToUpperInvariant()} " : email;

    private string? SpelledPhone(string? phone) => phone is null ? null : Random.Next(3) switch
    {
        0 => phone,
        1 => $"00{phone[1..3]} {phone[3..6]} / {phone[6..]}",
        _ => $"{phone[..3]} ({phone[3..6]}) {phone[6..]}",
    };
}
