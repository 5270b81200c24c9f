namespace Cdp.Tests.Identity.Simulation;

/// <summary>What real data has on top: devices and addresses that people share, values that are nobody's, mistakes.</summary>
internal static class DirtyStory
{
    private const string TestAddress = "test@test.com";
    private const string ZeroUuid = "00000000-0000-0000-0000-000000000000";

    private const int CustomersPerTill = 60;
    private const int DevicesOfMany = 9;

    public static Story Tell(int people, int seed)
    {
        var story = new Story(seed);
        var everybody = Enumerable.Range(0, people).Select(number => Person.Draw(number, story.Random)).ToList();
        foreach (var person in everybody)
        {
            for (var sessions = story.Random.Next(2, 6); sessions > 0; sessions--)
                story.Session(person);
            // Everybody belongs to one of ten kinds, so that each sort of dirt is met among clean people.
            var next = everybody[(person.Number + 1) % people];
            switch (story.Random.Next(10))
            {
                case 0:
                    SharedDevice(story, person, next);
                    break;
                case 1:
                    FamilyAddress(story, person, next);
                    break;
                case 2:
                    TillWithItsOwnAddress(story, person);
                    break;
                case 3:
                    story.NewsletterSignUp(person, TestAddress, person.AnyDevice(story.Random));
                    break;
                case 4:
                    Placeholders(story, person);
                    break;
                case 5:
                    Typo(story, person);
                    break;
                case 6:
                    ManyDevices(story, person);
                    break;
                case 7:
                    AliasOfSomebodyElse(story, person, next);
                    break;
            }
        }

        return story;
    }

    /// <summary>Two people log in in turn, and look around before they do.</summary>
    private static void SharedDevice(Story story, Person first, Person second)
    {
        for (var turns = story.Random.Next(1, 3); turns > 0; turns--)
        {
            foreach (var person in new[] { first, second })
            {
                story.Browse(person, first.Devices[0]);
                if (person.User is { } user)
                    story.Login(person, user, first.Devices[0], person.AnyEmail(story.Random), person.Phone);
            }
        }
    }

    private static void FamilyAddress(Story story, Person first, Person second)
    {
        var address = $"family{first.Number}@mail.test";
        foreach (var person in new[] { first, second })
        {
            story.NewsletterSignUp(person, address, person.AnyDevice(story.Random));
            if (person.User is { } user)
                story.Login(person, user, person.AnyDevice(story.Random), address, person.Phone);
        }
    }

    /// <summary>The cashier types the shop's address where the customer gives none.</summary>
    private static void TillWithItsOwnAddress(Story story, Person person)
    {
        var till = $"till{person.Number / CustomersPerTill}@shop.test";
        story.TillReceipt(person, till, person.Phone);
        story.TillReceipt(person, till, person.Phone);
    }

    private static void Placeholders(Story story, Person person)
    {
        var device = person.AnyDevice(story.Random);
        story.Placeholder(person, Person.Device(device), "null", device, "Test@Example.com");
        story.Placeholder(person, Person.Device(device), " undefined ", device, "nobody");
        if (person.User is { } user)
            story.Placeholder(person, Person.UserId(user), user, ZeroUuid, "noreply@example.org");
        if (person.AnyEmail(story.Random) is { } email)
            story.Placeholder(person, Person.Email(email), "0", "[object Object]", email);
    }

    private static void Typo(Story story, Person person)
    {
        if (person.User is { } user)
            story.Login(person, user + "x", person.AnyDevice(story.Random), person.AnyEmail(story.Random), person.Phone);
    }

    private static void AliasOfSomebodyElse(Story story, Person person, Person other)
    {
        if (person.User is { } user && other.User is { } previous)
            story.Alias(person, user, previous);
    }

    private static void ManyDevices(Story story, Person person)
    {
        for (var i = 0; i < DevicesOfMany; i++)
        {
            var device = $"kiosk-{person.Number}-{i}";
            story.Browse(person, device);
            if (person.User is { } user)
                story.Login(person, user, device, person.AnyEmail(story.Random), person.Phone);
            else if (person.AnyEmail(story.Random) is { } email)
                story.NewsletterSignUp(person, email, device);
        }
    }
}
